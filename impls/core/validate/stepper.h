/* SPDX-License-Identifier: MIT */
/*
 * Stops a thread before any of its atomic accesses, so that others act just there: what two threads do is
 * tried out in every order with so many changes from one to the other, without any chance. Between two
 * of them a thread touches only what nobody else does meanwhile, or ThreadSanitizer would tell.
 *
 * The code is compiled as for ThreadSanitizer, and stepper.c stands in for its runtime, which is called in
 * the place of each atomic access. Each change makes all stores visible: what comes in the wrong order is
 * found so, what lacks a fence is not.
 *
 * Ordering
 *   V3  stop: release exchange of stage  ->  stepper_has_stopped(): acquire load    what it did before
 *   V4  stepper_go_on: release store of stage  ->  who is stopped: acquire load
 *       what the others did meanwhile
 */
#ifndef STEPPER_H
#define STEPPER_H

#include "validate.h"

#define STEPPER_NEVER 0

struct stepper {
	unsigned long
		stop_at; /* the atomic access before which it stops, the first is 1; or STEPPER_NEVER */
	unsigned long steps; /* so far */
	_Atomic uint32_t stage;
};

/* The calling thread makes steps from here on, until it was stopped, is told to go on, or ends that. */
void stepper_begin(struct stepper *stepper, unsigned long stop_at);
void stepper_end(void);

bool stepper_has_stopped(struct stepper *stepper);

/* The thread sleeps, has ended, or looks again and again for what another one is to do. */
bool stepper_waits(pid_t thread);

/* To who is stopped; who is not will not stop any more. */
void stepper_go_on(struct stepper *stepper);

#endif
