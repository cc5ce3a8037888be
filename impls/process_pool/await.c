/* SPDX-License-Identifier: MIT */
/* Waiting for the task of a slot: looking while that may help, then sleeping on the slot itself.
 * The labels are those of segment.h. */
#include "look.h"
#include "pool.h"

#define FEW_LOOKS 4
#define RESTS 4

/* The average wait of this thread, of those in which it could help to look. */
static _Thread_local struct habit habit;

/* The line of a slot belongs to whoever looked last. A worker that has just been handed a task would have to
 * fetch it back, at more than this costs. */
static void rest(void)
{
	for (int i = 0; i < RESTS; i++)
		port_pause();
}

/* Whether the task may end soon without this processor. A worker that had to be woken for it will not:
 * who sleeps meanwhile leaves it the processor, if that is where it wakes. relaxed: a hint */
static bool is_near(const struct pool *pool, const struct future *future, uint64_t word)
{
	uint32_t worker = worker_of(word);

	if (status_of(word) != SLOT_RUNNING)
		return !((uint64_t)(uintptr_t)future->function & HINT_HAS_ROUSED);
	return worker < (uint32_t)pool->segment->workers &&
	       atomic_load_explicit(&pool->segment->lanes[worker].cpu, memory_order_relaxed) !=
		       this_cpu();
}

/* Looks until there is an answer, or it is time to sleep. *start_ns: when the clock was first read. True:
 * it has looked as long as it ever would, or has seen the end. */
static bool look(const struct pool *pool, const struct future *future, int64_t deadline_ns,
		 int64_t *start_ns)
{
	int64_t spin_ns = pool->settings.config.spin_ns, now_ns;
	bool is_free = spin_ns < 0;
	uint64_t word;

	if (is_free)
		spin_ns = habit_is_short(&habit) ? SHORT_LOOK_NS : 0;
	for (unsigned i = 1;; i++) {
		if (!read_word(pool, hint_of(future), &word) || status_of(word) >= SLOT_DONE)
			return true;
		port_pause();
		if (i % FEW_LOOKS)
			continue;
		if (is_free && !is_near(pool, future, word))
			return false;
		if (i % LOOKS)
			continue;
		now_ns = assay_clock_ns(); /* not before the first looks */
		*start_ns = *start_ns ? *start_ns : now_ns;
		if (now_ns >= deadline_ns || now_ns - *start_ns >= spin_ns)
			return true;
	}
}

static bool sleep_on(struct pool *pool, uint64_t hint, int64_t deadline_ns)
{
	struct slot *slot = slot_of(pool, hint);
	uint64_t word;

	while (read_word(pool, hint, &word)) {
		if (is_ripe(pool, word)) /* or somebody else just does */
			ticket_collect(pool, WORD_INDEX(hint), word);
		if (status_of(word) >= SLOT_DONE)
			return true;
		if (!(word & SLOT_SLEEPERS)) {
			atomic_compare_exchange_weak_explicit(&slot->word, &word,
							      word | SLOT_SLEEPERS,
							      memory_order_acq_rel, /* S2 */
							      memory_order_relaxed);
			continue;
		}
		if (!shared_sleep(slot_futex(slot), (uint32_t)word, deadline_ns) &&
		    assay_clock_ns() >= deadline_ns)
			return read_word(pool, hint, &word) && is_ripe(pool, word) &&
			       ticket_collect(pool, WORD_INDEX(hint), word);
	}
	return true;
}

bool slot_await(struct pool *pool, const struct future *future, int64_t deadline_ns)
{
	int64_t start_ns = 0;
	bool has_looked, answered;
	uint64_t word;

	/* A hint; not written again and again while results are read one after the other. */
	if (!atomic_load_explicit(&pool->has_waited, memory_order_relaxed))
		atomic_store_explicit(&pool->has_waited, true, memory_order_relaxed);
	if (WORD_INDEX(hint_of(future)) ==
	    atomic_load_explicit(&pool->newest, memory_order_relaxed)) /* a hint */
		rest();
	if (read_word(pool, hint_of(future), &word) && is_ripe(pool, word) &&
	    ticket_collect(pool, WORD_INDEX(hint_of(future)), word))
		return true;
	has_looked = pool->settings.config.spin_ns && look(pool, future, deadline_ns, &start_ns);
	answered = sleep_on(pool, hint_of(future), deadline_ns);

	if (has_looked)
		habit_learn(&habit, start_ns ? assay_clock_ns() - start_ns : 0);
	return answered;
}
