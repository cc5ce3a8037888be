/* SPDX-License-Identifier: MIT */
/*
 * The memory that client, helper and workers share: one sealed memfd, mapped before the helper is
 * forked, at one address in all of them. Nobody ever holds a lock in it, so that a worker may die at
 * any instruction. README.md tells the protocol.
 *
 * Ordering
 *   S1  submit: seq_cst store of tail  ->  claim: seq_cst load of tail
 *       publishes the ring's entry, the slot and its argument
 *   S2  the slot's word: release store or exchange  ->  the next acquire exchange, or acquire loads
 *       submit to claim: the slot; S1 does not cover a hint that is read late, when its place in the
 *       ring is used again, nor a claim without one. With SLOT_NEXT: that nothing before is pending,
 *       as the submitter knows by P2. To collect and to cancel: the ticket
 *       again to claim: the argument is as it was; the hint may never have left the head
 *       claim to guardian: current and claim, so that it finds whose task died
 *       finish to collect: the outcome and all that the task wrote
 *   S3  told ring: seq_cst store of told_tail  ->  collector: seq_cst load     the entry
 *   S4  arena: release store of a unit's owner (free)  ->  acquire CAS of the taker
 *       all uses of the unit before. For a checker of this process, which does not see that the way leads
 *       through workers: release store by who wrote an argument there  ->  acquire load by who reads a
 *       result
 *   S5  collector: release store of told_head  ->  tell: acquire load
 *       the entry has been read before it is written again
 *   S6  whoever sees that the task at the head is pending no more, or takes one that is next: release
 *       exchange of head  ->  acquire loads of head
 *       reap: what was cancelled does not look pending, for it is not looked at again; others: no
 *       tail older than the mover's, but of who took what is next: then the head may be ahead of it
 *   S7  stop: seq_cst or to stopping, after the last task was accepted
 *         ->  acquire loads, then that of tail
 *       who sees an empty ring then may leave: nothing will come, but what K3 finds
 *   S8  segment_release: release decrement of references  ->  the last one's acquire
 *       all uses before the memory goes
 *   S9  ring_put: release store of an entry  ->  claim: acquire load, then a second look at head
 *       who reads what came into the entry later sees the head beyond it: reap has seen that before
 *   K1  park: seq_cst set of the worker's idle bit, then the look at tail and stopping
 *         against   submit: seq_cst store of tail, then the look at the idle bits
 *       one of the two sees the other. Likewise stopping; and the bell against told_tail,
 *       overflown, scan and final.
 *   K2  claim: seq_cst store of started, cancel: seq_cst add to cancelled, then the look at blocked
 *         against   admit: seq_cst add to blocked, then the sum of started and cancelled
 *       a submitter that sees no room is seen by who made some. room is read before blocked is
 *       raised, and changed after blocked was seen
 *   K3  reap: seq_cst store of phase, then the look at tail
 *         against   a task to run again: seq_cst store of tail, then the look at all phases
 *       either the helper sees the task, or the guardian the worker that has left without a word
 *
 * How workers come and go
 *   W1  replace: release store of wanted (1)  ->  helper: acquire load
 *       the emptied lane: phase, read relaxed behind it, leaving and is_initializing are a new worker's
 *   W2  start_worker: release stores of phase, after pid, and then of wanted (0)
 *         ->  guardian: acquire loads of wanted and then of phase
 *       a lane that is being filled never looks as if it were to be filled
 *   W3  reap: seq_cst store of LANE_ENDED  ->  guardian: acquire load
 *       pid, status, and all that the worker did in its life
 *   W4  bury_all: release store of LANE_EMPTY  ->  helper: acquire load
 *       a task to run again is in the ring: the helper does not leave over it
 *   W5  terminate, break_pool: TERMINATING, then the release store of signal
 *         ->  helper: acquire exchange
 *       a worker that is forked when the signal has been used up takes nothing
 *   W6  helper: release store of quit  ->  has_quit: acquire load
 *       what workers did: no task looks pending, and no lane alive
 *   W7  worker: release store of leaving, then its end and W3  ->  bury
 *       what it says it has done is done. The end is what orders; release keeps the compiler from
 *       moving anything behind it
 *   W8  rouse: release store of token  ->  park: acquire exchange     the task that it is woken for
 *
 * Relaxed without a word: what a worker reads and writes of its own lane, the collector of
 * told_head, and the guardian of a lane between W3 and W1; entries of the ring (S1, S2) and of told
 * (S3); counts for statistics; cpu, caller_cpu and caller_waits, which are hints.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include "../core/port.h"

#include <assert.h>

/* A moment in which a worker may die, or a thread of the client be overtaken. */
#ifdef PROCESS_POOL_STEPS
void process_pool_step(void);
#define STEP() process_pool_step()
#else
#define STEP() ((void)0)
#endif

#define SLOT_BYTES 208 /* of argument or result that travel inside a slot */
#define SLOT_EXTENT UINT32_MAX
#define MOST_WORKERS 4096 /* of one pool */
#define IDLE_WORDS (MOST_WORKERS / 64)
#define TOLD_RING 1024      /* entries of one lane */
#define UNIT ((size_t)4096) /* bytes of the arena that are owned as one */
#define WORD_INDEX(hint) ((uint32_t)(hint))
#define GENERATION(word) ((uint32_t)((word) >> 32))

/*
 * The word of a slot: generation above, status, flags and worker below. A hint is generation and
 * index: it means something only as long as the generation is the slot's and the task not collected: a
 * free slot keeps the word of its last task, DONE or CANCELLED. The lower half, which is a futex, ends
 * with bits of the generation: who is late to sleep does not sleep on another task.
 */
enum status {
	SLOT_FREE, /* and never used */
	SLOT_PENDING,
	SLOT_AGAIN, /* was started once, and waits for another worker: cannot be cancelled */
	SLOT_RUNNING,
	SLOT_DONE,      /* RUNNING + 1: finishing is one addition */
	SLOT_CANCELLED, /* free when the ring has passed it */
};
#define SLOT_STATUS UINT64_C(7)
#define SLOT_SLEEPERS UINT64_C(8) /* a client sleeps on the word: finishing must wake */
#define SLOT_TELL UINT64_C(16)    /* finishing must tell the collector */
#define SLOT_NEXT UINT64_C(32)    /* nothing before it in the ring is pending */
#define SLOT_WORKER_SHIFT 8
#define SLOT_WORKER (UINT64_C(0xfff) << SLOT_WORKER_SHIFT)
#define SLOT_GENERATION_SHIFT 20

static_assert(MOST_WORKERS <= 0x1000, "a worker fits its bits");

static inline uint64_t word_of_generation(uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint32_t)(generation << SLOT_GENERATION_SHIFT);
}

static inline enum status status_of(uint64_t word)
{
	return (enum status)(word & SLOT_STATUS);
}

static inline uint32_t worker_of(uint64_t word)
{
	return (uint32_t)((word & SLOT_WORKER) >> SLOT_WORKER_SHIFT);
}

struct slot {
	_Alignas(64) _Atomic uint64_t word;
	assay_function *function;
	size_t size;    /* of the argument, then of the result or message */
	size_t extent;  /* where it lies in the arena, if it is longer than SLOT_BYTES */
	uint32_t place; /* of its hint in the ring, the lower bits */
	/* The outcome; with an error the bytes are its message. */
	int32_t error;
	int32_t code;
	uint32_t offset; /* of the outcome's bytes here; SLOT_EXTENT: they are in the arena */
	_Alignas(16) unsigned char bytes[SLOT_BYTES];
};

/* How a worker's process stands: the helper fills an empty lane and says when it ended, the guardian
 * empties it. */
enum phase { LANE_EMPTY, LANE_ALIVE, LANE_ENDED };
/* Why a worker left of its own will. */
enum leaving { LEAVING_NOT, LEAVING_PLANNED, LEAVING_EXIT, LEAVING_INITIALIZER };

/* One worker's part: each word has one writer at a time. */
struct lane {
	/* The worker's; after its death the guardian's. */
	_Alignas(PORT_APART) _Atomic uint64_t current; /* the hint it claims or has claimed */
	_Atomic uint64_t claim;                        /* what started becomes by that claim */
	_Atomic uint64_t started;                      /* of all workers that had this lane */
	_Atomic uint64_t finished;
	_Atomic uint64_t parks;
	_Atomic uint32_t told_tail;
	_Atomic uint32_t leaving;
	_Atomic uint32_t is_initializing;
	_Atomic uint32_t cpu;   /* where it claimed */
	_Atomic uint32_t token; /* its futex: set by whoever wakes it */
	_Atomic uint32_t
		overflown; /* told more than its ring holds: the collector looks everywhere */
	/* The helper's. */
	_Alignas(PORT_APART) _Atomic uint32_t phase;
	_Atomic int32_t pid;
	_Atomic int32_t status; /* as of waitpid(); of an empty lane the error of its fork */
	/* The client's. */
	_Alignas(PORT_APART) _Atomic uint32_t wanted; /* the helper starts a worker */
	_Atomic int32_t signal;                       /* the helper sends it */
	_Atomic uint32_t told_head;
	_Alignas(64) _Atomic uint32_t told[TOLD_RING];
};

/* Workers leave when the ring is empty; or whatever it holds. */
#define CONTROL_STOPPING 1u
#define CONTROL_TERMINATING 2u

struct control {
	_Alignas(PORT_APART) _Atomic uint64_t tail; /* of the ring: the client's */
	_Atomic uint32_t caller_cpu;                /* where it was last published */
	_Atomic uint32_t caller_waits;              /* somebody waited between the last two times */
	_Alignas(PORT_APART) _Atomic uint64_t head; /* anybody's, by CAS */
	_Alignas(PORT_APART) _Atomic uint64_t idle[IDLE_WORDS]; /* bits of parked workers */
	_Alignas(PORT_APART) _Atomic uint32_t bell;             /* 1: the collector sleeps on it */
	_Atomic uint32_t stopping;                              /* CONTROL_... */
	_Atomic uint32_t quit;                                  /* the helper has left */
	_Atomic uint32_t blocked;                               /* submitters that wait for room */
	_Atomic uint32_t room;                                  /* their futex */
	_Alignas(PORT_APART) _Atomic size_t unit_top; /* no unit from here on was ever taken */
	_Atomic size_t unit_low;                      /* a guess: no unit below is free */
	_Atomic size_t warm;                          /* free units that have memory; roughly */
};

/* The client's private description of the mapping; children have copies. */
struct segment {
	_Atomic size_t references; /* the pool's, and one for each result that lives in the arena */
	char *base;
	size_t head_size; /* all before the arena */
	size_t size;
	struct control *control;
	struct lane *lanes;
	_Atomic uint64_t *ring;
	struct slot *slots;
	_Atomic uint32_t *owners; /* one for each unit */
	char *arena;
	size_t slot_count; /* powers of two */
	size_t ring_count;
	size_t unit_count;
	int workers;
	unsigned forks;
	/* At create, see below. */
	uint32_t client_forks;
	uint32_t helper_forks;
};

/* In shutdown.c, which counts them. */
/* Twice the forks of this process that were not for helpers; one more during a fork. A child reads its
 * copies of futures: what lies in the arena since before the fork must stay as it is. */
uint32_t client_forks(void);
/* Forks for helpers that were begun. */
uint32_t helper_forks(void);

/* ASSAY_ENOMEM, ASSAY_ERESOURCE, ASSAY_EUNSUPPORTED (a kernel before 5.14): nothing is left. */
int segment_create(int workers, struct segment **segment);
void segment_release(struct segment *segment);
/* The pool is gone, but results that futures hold: gives back all other memory. */
void segment_retire(struct segment *segment);
/* In a process that has nothing to do with it. */
void segment_unmap(struct segment *segment);

/* Memory for a part of the mapping: afterwards no access to it can fail. */
bool segment_populate(void *start, size_t size);

/* An entry of the ring; its index is one of a slot, whatever a task wrote there. */
static inline uint64_t ring_entry(const struct segment *segment, uint64_t at)
{
	uint64_t hint = atomic_load_explicit(&segment->ring[at & (segment->ring_count - 1)],
					     memory_order_relaxed);

	return hint & (UINT64_C(0xffffffff) << 32 | (segment->slot_count - 1));
}

/* Owners of units: free without and with memory, slots, and futures. */
enum { OWNER_COLD, OWNER_WARM, OWNER_SLOTS = 4 };

static inline uint32_t owner_of_argument(uint32_t slot)
{
	return OWNER_SLOTS + 2 * slot;
}

static inline uint32_t owner_of_result(uint32_t slot)
{
	return OWNER_SLOTS + 2 * slot + 1;
}

/* A result that a future holds since so many forks of the client. */
static inline uint32_t owner_of_future(uint32_t forks)
{
	return UINT32_C(1) << 31 | forks;
}

/* size bytes of the arena for this owner. False: there is no memory. */
bool arena_take(struct segment *segment, size_t size, uint32_t owner, size_t *extent);
void arena_give(struct segment *segment, size_t extent, size_t size);
void arena_mark(struct segment *segment, size_t extent, size_t size, uint32_t owner);
bool arena_is_owned(struct segment *segment, size_t extent, size_t size, uint32_t owner);
/* Frees whatever this owner has there: it died, and what it was about to take or give is known to nobody. */
void arena_reclaim(struct segment *segment, size_t extent, size_t size, uint32_t owner);

/* Futexes that several processes share. As port_sleep() and port_wake(). */
static inline bool shared_sleep(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
	struct timespec deadline;

	deadline.tv_sec = (time_t)(deadline_ns / 1000000000);
	deadline.tv_nsec = (long)(deadline_ns % 1000000000);
	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
		       deadline_ns == ASSAY_FOREVER ? NULL : &deadline, NULL,
		       FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno != ETIMEDOUT;
}

static inline void shared_wake(_Atomic uint32_t *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

static inline _Atomic uint32_t *slot_futex(struct slot *slot)
{
	return (_Atomic uint32_t *)&slot->word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* Wakes the collector if it sleeps. Whoever dies in between is followed by ring_bell_again(). */
static inline void ring_bell(struct control *control)
{
	if (atomic_load_explicit(&control->bell, memory_order_seq_cst) &&        /* K1 */
	    atomic_exchange_explicit(&control->bell, 0, memory_order_seq_cst)) { /* K1 */
		STEP();
		shared_wake(&control->bell, 1);
	}
}

static inline void ring_bell_again(struct control *control)
{
	atomic_store_explicit(&control->bell, 0, memory_order_seq_cst); /* K1 */
	shared_wake(&control->bell, 1);
}

#endif
