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
 *   V3  stop: release exchange of stage  ->  actor_await(): acquire load       what it did before
 *   V4  actor_go_on: release store of stage  ->  who is stopped: acquire load
 *       what the others did meanwhile
 * The rest of an actor is read and written in one order.
 */
#ifndef STEPPER_H
#define STEPPER_H

#include "validate.h"

#include <semaphore.h>

/* A thread that acts in rounds, and the place where it stops in the next one. */
struct actor {
	sem_t gate; /* that it waits at before each round */
	unsigned long
		stop_at;     /* the atomic access before which it stops, the first is 1; 0: none */
	unsigned long steps; /* so far */
	_Atomic uint32_t stage;
	_Atomic pid_t thread; /* whichever takes the part in this round */
	_Atomic bool begun;   /* the round */
	_Atomic bool acted;   /* and ended it */
};

void actor_init(struct actor *actor);

/* The actor's thread, in each round: waits for actor_start(), and makes steps from then on; until it was
 * stopped, or ends its part. */
void actor_begin(struct actor *actor);
void actor_end(struct actor *actor);

/* Whoever directs it. */
void actor_reset(struct actor *actor);
void actor_start(struct actor *actor);

/* Until it has come to its stop (true), or has ended, or done what it can without the others: it sleeps, or
 * looks again and again for what another one is to do. */
bool actor_await(struct actor *actor);

/* To who is stopped; who is not will not stop any more in this round. */
void actor_go_on(struct actor *actor);

void actor_await_end(struct actor *actor);

/* Between two looks at others, who may need the processor. */
void stepper_doze(void);

#endif
