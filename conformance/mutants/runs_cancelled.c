/* SPDX-License-Identifier: MIT */
#include "base.h"

MUTANT(FAULT_RUNS_CANCELLED, "A worker runs a task although it was cancelled.")
