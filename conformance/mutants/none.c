/* SPDX-License-Identifier: MIT */
/* No fault: what is true of a mutant besides its fault must be shown to be right. */
#include "base.h"

const enum fault mutant_fault = FAULT_NONE;
