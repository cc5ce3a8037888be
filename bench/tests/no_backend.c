/* SPDX-License-Identifier: MIT */
/* A shared object that is no backend. */
extern const int no_backend;

const int no_backend = 1;
