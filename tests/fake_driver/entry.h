/* What the entry points of nvml.c and peers.c share. */
#ifndef FAKE_NVML_ENTRY_H
#define FAKE_NVML_ENTRY_H

#include "scenario.h"

#define EXPORT __attribute__((visibility("default")))

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7, LIBRARY_NOT_FOUND = 12, GPU_IS_LOST = 15, ARGUMENT_VERSION_MISMATCH = 25,
    UNKNOWN = 999,
};

typedef struct handle handle;

/* What every call does first: log, block or fail as told, find the device. */
int begin(const char *function, const handle *h, const scenario **s, const device **d);
/* Copy a text into a caller's buffer. */
int text(const char *from, char *to, unsigned length);
/* Hand out a number; negative ones are not supported. */
int value(int64_t from, unsigned *to);

#define BEGIN(h)                                         \
    const scenario *s;                                   \
    const device *d;                                     \
    int failed = begin(__func__, (h), &s, &d);           \
    if (failed) return failed;                           \
    (void)s, (void)d

#endif
