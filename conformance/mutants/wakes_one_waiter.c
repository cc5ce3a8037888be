/* SPDX-License-Identifier: MIT */
#include "base.h"

MUTANT(FAULT_WAKES_ONE_WAITER, "Of several threads that wait for a future, one is woken.")
