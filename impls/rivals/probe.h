/* SPDX-License-Identifier: MIT */
/* For libraries that end the program when the system refuses them a thread. */
#ifndef PROBE_H
#define PROBE_H

#ifdef __cplusplus
extern "C" {
#endif

/* ASSAY_OK if so many threads can be started right now, all at once, beside those there are: they
 * were, and have gone. ASSAY_ERESOURCE, ASSAY_ENOMEM. */
int probe_threads(int count);

#ifdef __cplusplus
}
#endif

#endif
