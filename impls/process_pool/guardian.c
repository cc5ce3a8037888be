/* SPDX-License-Identifier: MIT */
/*
 * The thread that minds the processes. It runs no callback, so nothing that a client does keeps it
 * from noticing a death. When a worker is dead, the guardian is the writer of its lane and of the
 * slot that it had, and finishes what it was doing. The labels are those of segment.h and pool.h.
 */
#include "pool.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* How long workers are given to die after the helper: the kernel kills them as it ends. */
#define LOST_MS 1000

static_assert(sizeof((struct pool *)0)->reason <= SLOT_BYTES, "a reason fits a slot");

/* As strsignal(), which is not for threads. */
static void describe(char *text, size_t size, int pid, int status)
{
	if (WIFSIGNALED(status)) {
		const char *name = sigdescr_np(WTERMSIG(status));

		snprintf(text, size, "worker process %d was ended by signal %d (%s)", pid,
			 WTERMSIG(status), name ? name : "unknown");
	} else {
		snprintf(text, size, "worker process %d ended with exit status %d", pid,
			 WEXITSTATUS(status));
	}
}

static int code_of(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) : 256 + WEXITSTATUS(status);
}

/* Finishes a slot whose status is `from` in place of a worker. False: it has another. */
static bool conclude(struct pool *pool, uint32_t index, enum status from, int error, int code,
		     const char *message)
{
	struct slot *slot = &pool->segment->slots[index];
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire); /* S2 */

	if (status_of(word) != from)
		return false;
	if (from == SLOT_PENDING) /* a client may be cancelling it: only the winner writes */
		while (!atomic_compare_exchange_weak_explicit(&slot->word, &word,
							      (word & ~SLOT_STATUS) | SLOT_RUNNING,
							      memory_order_acq_rel, /* S2 */
							      memory_order_relaxed))
			if (status_of(word) != from)
				return false;
	ticket_reclaim(pool, index);
	slot->error = error;
	slot->code = code;
	slot->offset = 0;
	slot->size = strlen(message); /* at most that of pool->reason */
	memcpy(slot->bytes, message, slot->size);
	word = atomic_load_explicit(&slot->word, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&slot->word, &word,
						      (word & ~SLOT_STATUS) | SLOT_DONE,
						      memory_order_release, /* S2 */
						      memory_order_relaxed))
		;
	shared_wake(slot_futex(slot), INT_MAX);
	if (word & SLOT_TELL)
		collector_scan(pool);
	return true;
}

/*
 * Deaths
 */

static bool is_ending(const struct pool *pool)
{
	return pool->terminating || atomic_load_explicit(&pool->broken, memory_order_relaxed);
}

static void kill_all(struct pool *pool)
{
	for (int i = 0; i < pool->segment->workers; i++)
		atomic_store_explicit(&pool->segment->lanes[i].signal, SIGKILL,
				      memory_order_release); /* W5 */
	zygote_nudge(&pool->zygote);
}

/* Without the mutex, which it lets go of: the client's function may use the pool. */
static void log_line(struct pool *pool, enum assay_severity severity, const char *line)
{
	pthread_mutex_unlock(&pool->mutex);
	settings_log(&pool->settings, severity, "%s", line);
	pthread_mutex_lock(&pool->mutex);
}

/* What is left ends when all workers are dead: see finish(). */
static void break_pool(struct pool *pool, const char *reason, int code)
{
	char line[sizeof pool->reason + 32];

	if (is_ending(pool))
		return;
	pool->reason_code = code;
	snprintf(pool->reason, sizeof pool->reason, "%s", reason);
	pthread_mutex_lock(&pool->submit_mutex);
	atomic_store_explicit(&pool->broken, true, memory_order_release); /* P3 */
	pthread_mutex_unlock(&pool->submit_mutex);
	/* Also for a worker that is being forked: it finds nothing to do, whatever the ring holds. */
	atomic_fetch_or_explicit(&pool->segment->control->stopping, CONTROL_TERMINATING,
				 memory_order_seq_cst); /* W5 */
	stop(pool);
	kill_all(pool);
	snprintf(line, sizeof line, "the pool is broken: %s", reason);
	log_line(pool, ASSAY_LOG_ERROR, line);
}

/* The task of a dead worker that was in the middle of it. */
static void lose_task(struct pool *pool, struct lane *lane, uint32_t index, int code,
		      const char *text, bool may_retry)
{
	struct ticket *ticket = &pool->tickets[index];
	struct slot *slot = &pool->segment->slots[index];
	uint64_t claim = atomic_load_explicit(&lane->claim, memory_order_relaxed);

	arena_reclaim(pool->segment, 0, pool->segment->unit_count * UNIT, owner_of_result(index));
	if (may_retry && ticket->retries > 0 && !is_ending(pool)) {
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

		ticket->retries--;
		slot->size = atomic_load_explicit(&ticket->size, memory_order_relaxed);
		slot->extent = atomic_load_explicit(&ticket->extent, memory_order_relaxed);
		/* It counts as one task, however often it runs. */
		atomic_store_explicit(&lane->started, claim - 1, memory_order_seq_cst); /* K2 */
		atomic_store_explicit(&lane->finished, claim - 1, memory_order_relaxed);
		while (!atomic_compare_exchange_weak_explicit(
			&slot->word, &word, (word & ~SLOT_STATUS & ~SLOT_WORKER) | SLOT_AGAIN,
			memory_order_acq_rel, /* S2 */
			memory_order_relaxed))
			;
		pthread_mutex_lock(&pool->submit_mutex);
		ring_ready(pool); /* there is room, see there; without memory the kernel decides */
		ring_put(pool, (uint64_t)GENERATION(word) << 32 | index);
		/* relaxed: under the mutex */
		atomic_store_explicit(&pool->newest, UINT32_MAX, memory_order_relaxed);
		ring_publish(pool);
		pthread_mutex_unlock(&pool->submit_mutex);
		return;
	}
	atomic_store_explicit(&lane->started, claim, memory_order_seq_cst); /* K2 */
	atomic_store_explicit(&lane->finished, claim, memory_order_relaxed);
	if (atomic_load_explicit(&pool->broken, memory_order_relaxed)) {
		count(&pool->failed); /* it did start */
		conclude(pool, index, SLOT_RUNNING, ASSAY_EBROKEN, pool->reason_code, pool->reason);
	} else {
		conclude(pool, index, SLOT_RUNNING, ASSAY_EDIED, code, text);
	}
}

/* Whatever a task wrote there. */
static uint32_t index_of(const struct pool *pool, uint64_t hint)
{
	return WORD_INDEX(hint) & (uint32_t)(pool->segment->slot_count - 1);
}

/* What a worker may have left half done. Returns whether it was running a task. */
static bool tidy_up(struct pool *pool, int index, bool has_left)
{
	struct segment *segment = pool->segment;
	struct lane *lane = &segment->lanes[index];
	uint64_t hint = atomic_load_explicit(&lane->current, memory_order_relaxed);
	struct slot *slot = &segment->slots[index_of(pool, hint)];
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire); /* S2 */

	atomic_fetch_and_explicit(&segment->control->idle[index / 64], ~(UINT64_C(1) << index % 64),
				  memory_order_seq_cst); /* K1 */
	atomic_store_explicit(&lane->token, 0, memory_order_relaxed);
	if (!has_left) { /* or it had told everybody */
		ring_bell_again(segment->control);
		/* Whatever the slot is by now: another may have looked before who sleeps on it. */
		shared_wake(slot_futex(slot), INT_MAX);
	}
	if (GENERATION(word) != GENERATION(hint))
		return false;
	if (status_of(word) == SLOT_DONE && !has_left)
		collector_scan(pool); /* which alone may collect it, if nobody has */
	return status_of(word) == SLOT_RUNNING && worker_of(word) == (uint32_t)index;
}

/* A worker is gone: what it means for its task and for the pool. */
static void bury(struct pool *pool, int index)
{
	struct lane *lane = &pool->segment->lanes[index];
	int pid = atomic_load_explicit(&lane->pid, memory_order_relaxed);
	int status = atomic_load_explicit(&lane->status, memory_order_relaxed);
	enum leaving leaving =
		(enum leaving)atomic_load_explicit(&lane->leaving, memory_order_relaxed);
	bool was_running = tidy_up(pool, index, leaving == LEAVING_PLANNED);
	bool crashed = leaving == LEAVING_NOT || (leaving == LEAVING_PLANNED && was_running);
	enum assay_on_worker_death policy = pool->settings.config.on_worker_death;
	char text[128];

	describe(text, sizeof text, pid, status);
	if (leaving == LEAVING_INITIALIZER)
		break_pool(pool, "the initializer failed", 0);
	else if ((crashed && policy == ASSAY_DEATH_BREAKS) || /* or it would go on for ever: */
		 atomic_load_explicit(&lane->is_initializing, memory_order_relaxed))
		break_pool(pool, text, code_of(status));
	if (was_running)
		lose_task(
			pool, lane,
			index_of(pool, atomic_load_explicit(&lane->current, memory_order_relaxed)),
			code_of(status), text, crashed && policy == ASSAY_DEATH_RETRIES);
	make_room(pool); /* last: now the counts are right */
}

static bool is_alive(struct lane *lane)
{
	/* In this order: it is wanted until it is alive. */
	return atomic_load_explicit(&lane->wanted, memory_order_acquire) ||            /* W2 */
	       atomic_load_explicit(&lane->phase, memory_order_acquire) != LANE_EMPTY; /* W2 */
}

static int alive(struct pool *pool)
{
	int count = 0;

	for (int i = 0; i < pool->segment->workers; i++)
		count += is_alive(&pool->segment->lanes[i]);
	return count;
}

static bool has_pending(struct pool *pool)
{
	struct segment *segment = pool->segment;
	uint64_t at, tail;

	ring_rest(pool, &at, &tail);
	for (; at < tail; at++) {
		uint64_t hint = ring_entry(segment, at);
		/* relaxed: what the helper says is behind W6; else a hint */
		uint64_t word = atomic_load_explicit(&segment->slots[WORD_INDEX(hint)].word,
						     memory_order_relaxed);

		if (GENERATION(word) == GENERATION(hint) &&
		    (status_of(word) == SLOT_PENDING || status_of(word) == SLOT_AGAIN))
			return true;
	}
	return false;
}

/* Starts workers in the lanes that have none, as long as there is or may be something to do. */
static void replace(struct pool *pool)
{
	bool asked = false;

	if (is_ending(pool) ||
	    (atomic_load_explicit(&pool->stopping, memory_order_relaxed) && !has_pending(pool)))
		return;
	for (int i = 0; i < pool->segment->workers; i++) {
		struct lane *lane = &pool->segment->lanes[i];

		if (is_alive(lane))
			continue;
		atomic_store_explicit(&lane->leaving, LEAVING_NOT, memory_order_relaxed);
		atomic_store_explicit(&lane->is_initializing, 0, memory_order_relaxed);
		atomic_store_explicit(&lane->wanted, 1, memory_order_release); /* W1 */
		asked = true;
	}
	if (asked)
		zygote_nudge(&pool->zygote);
}

/* Empties the lanes whose workers ended, if there are any. *refused: why one could not be started. */
static bool bury_all(struct pool *pool, int *refused)
{
	bool any = false;

	for (int i = 0; i < pool->segment->workers; i++) {
		struct lane *lane = &pool->segment->lanes[i];

		/* K3 W3 */
		if (atomic_load_explicit(&lane->phase, memory_order_seq_cst) != LANE_ENDED)
			continue;
		any = true;
		if (atomic_load_explicit(&lane->pid, memory_order_relaxed) < 0)
			*refused = atomic_load_explicit(&lane->status, memory_order_relaxed);
		else
			bury(pool, i);
		atomic_store_explicit(&lane->phase, LANE_EMPTY, memory_order_release); /* W4 */
	}
	return any;
}

/* Looks at all lanes; true if there is nothing left to mind. */
static bool attend(struct pool *pool)
{
	int refused = 0;
	bool any = false;

	/* Again: a task that is to run again makes a worker needed that left without a word. */
	while (bury_all(pool, &refused))
		any = true;
	if (refused && !is_ending(pool)) {
		char text[128];

		snprintf(text, sizeof text, "no worker can be started: %s",
			 strerrordesc_np(refused) ? strerrordesc_np(refused) : "unknown");
		if (alive(pool))
			log_line(pool, ASSAY_LOG_WARNING, text);
		else
			break_pool(pool, text, 0);
	} else if (any) {
		replace(pool);
	}
	if (any) { /* the dead may have been woken for work, or to wake others */
		rouse(pool, (size_t)pool->segment->workers);
		rouse_again(pool);
	}
	return !alive(pool) && atomic_load_explicit(&pool->stopping, memory_order_relaxed);
}

/* The helper is gone, and its workers are about to follow. */
static void lose_helper(struct pool *pool)
{
	int64_t until_ns = assay_clock_ns() + LOST_MS * INT64_C(1000000), left_ns;

	break_pool(pool, "the process that starts the workers died", 0);
	for (int i = 0; i < pool->segment->workers; i++) {
		struct lane *lane = &pool->segment->lanes[i];
		struct pollfd watched = {.events = POLLIN};
		siginfo_t info;

		/* relaxed: the helper is gone, nobody else reads it */
		atomic_store_explicit(&lane->wanted, 0, memory_order_relaxed);
		if (atomic_load_explicit(&lane->phase, memory_order_acquire) != LANE_ALIVE) /* W2 */
			continue;
		watched.fd = (int)syscall(
			SYS_pidfd_open, atomic_load_explicit(&lane->pid, memory_order_relaxed), 0);
		if (watched.fd >= 0) {
			left_ns = until_ns - assay_clock_ns(); /* of one limit for all */
			poll(&watched, 1, left_ns > 0 ? (int)(left_ns / 1000000) : 0);
			/* It is nobody's, or of a client that adopts orphans. */
			waitid(P_PIDFD, (id_t)watched.fd, &info, WEXITED | WNOHANG);
			close(watched.fd);
		}
		atomic_store_explicit(&lane->status, SIGKILL, memory_order_relaxed);
		atomic_store_explicit(&lane->phase, LANE_ENDED, memory_order_release); /* W3 */
	}
}

/* All processes are dead: ends what is left in this status. */
static void conclude_all(struct pool *pool, enum status from)
{
	bool broken = atomic_load_explicit(&pool->broken, memory_order_relaxed);
	const char *reason = broken ? pool->reason : "the workers were stopped";
	int error = broken || from == SLOT_PENDING ? ASSAY_EBROKEN : ASSAY_EDIED;
	uint32_t end;

	pthread_mutex_lock(&pool->submit_mutex);
	end = pool->fresh;
	pthread_mutex_unlock(&pool->submit_mutex);
	for (uint32_t i = 0; i < end; i++) {
		if (!conclude(pool, i, from, error, pool->reason_code, reason))
			continue;
		if (from == SLOT_PENDING) {
			count(&pool->broken_count);
		} else { /* it did start, once */
			count(&pool->other_started);
			count(&pool->other_finished);
			if (error == ASSAY_EBROKEN)
				count(&pool->failed);
		}
	}
}

static void finish(struct pool *pool)
{
	conclude_all(pool, SLOT_AGAIN);
	conclude_all(pool, SLOT_RUNNING); /* there are some only if a task wrote into the lanes */
	pthread_mutex_lock(&pool->mutex);
	/* Who cancels what is pending goes first; a break does not wait, not even for that. */
	while (pool->guests && !atomic_load_explicit(&pool->broken, memory_order_relaxed))
		pthread_cond_wait(&pool->changed, &pool->mutex);
	pool->zygote_alive = false;
	pthread_mutex_unlock(&pool->mutex);
	conclude_all(pool, SLOT_PENDING);
	atomic_store_explicit(&pool->final, 1, memory_order_seq_cst); /* P5 K1 */
	ring_bell_again(pool->segment->control);
	zygote_end(&pool->zygote); /* while the collector ends */
	pthread_join(pool->collector, NULL);
	pthread_mutex_lock(&pool->mutex);
	pool->ended = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

/* The helper left because there was nothing more to do. */
static bool has_quit(struct pool *pool)
{
	if (!atomic_load_explicit(&pool->segment->control->quit, memory_order_acquire) || /* W6 */
	    has_pending(pool))
		return false;
	for (int i = 0; i < pool->segment->workers; i++)
		if (atomic_load_explicit(&pool->segment->lanes[i].phase, memory_order_acquire) ==
		    LANE_ALIVE) /* W3 */
			return false;
	return true;
}

void *guardian_run(void *user)
{
	struct pool *pool = user;
	struct visit visit;
	bool over;

	attach(pool, &visit);             /* for what the client logs */
	pthread_mutex_lock(&pool->mutex); /* create holds it until it knows */
	over = !pool->zygote_alive;
	pthread_mutex_unlock(&pool->mutex);
	if (over)
		return NULL;
	while (!over) {
		bool there = zygote_listen(&pool->zygote);

		pthread_mutex_lock(&pool->mutex);
		if (!there) {
			pool->zygote_alive = false;
			if (!has_quit(pool))
				lose_helper(pool);
		}
		over = attend(pool) || !there;
		pthread_mutex_unlock(&pool->mutex);
	}
	finish(pool);
	return NULL;
}
