/* SPDX-License-Identifier: MIT */
/* For libraries that do not bear it when the system refuses them something. */
#ifndef PROBE_H
#define PROBE_H

#ifdef __cplusplus
extern "C" {
#endif

/* ASSAY_OK if so many threads can be started right now, all at once, beside those there are: they
 * were, and have gone. ASSAY_ERESOURCE, ASSAY_ENOMEM. */
int probe_threads(int count);

/* The same for the memory of so many threads, and some to spare: cheap. ASSAY_ENOMEM. */
int probe_memory(int threads);

/* The same for file descriptors; at most 16. */
int probe_descriptors(int count);

#ifdef __cplusplus
}
#endif

#endif
