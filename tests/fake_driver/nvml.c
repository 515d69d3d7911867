/* libnvidia-ml.so.1 for tests: the entry points. What they answer comes from the scenario file.
 *
 * Struct layouts are those of NVIDIA's public nvml.h, as nvidia-ml-py describes them.
 */
#define _GNU_SOURCE
#include "entry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A handle names a device; it goes stale at shutdown, and when a MIG instance is made anew. */
struct handle {
    struct handle *next;
    char uuid[96];
    int epoch, generation;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t global_hang = PTHREAD_MUTEX_INITIALIZER;
static handle *handles;
static atomic_int users, epoch;

static const device *find(const scenario *s, const char *uuid) {
    for (int i = 0; i < s->device_count; i++)
        if (!strcmp(s->devices[i].uuid, uuid)) return &s->devices[i];
    return NULL;
}

static handle *handle_of(const device *d) {
    pthread_mutex_lock(&lock);
    handle *h = handles;
    while (h && (strcmp(h->uuid, d->uuid) || h->epoch != epoch || h->generation != d->generation))
        h = h->next;
    if (!h) {
        h = calloc(1, sizeof *h);
        memcpy(h->uuid, d->uuid, sizeof h->uuid);
        h->epoch = epoch;
        h->generation = d->generation;
        h->next = handles;
        handles = h;
    }
    pthread_mutex_unlock(&lock);
    return h;
}

static const rule *rule_for(const scenario *s, const char *uuid, const char *function, int hang) {
    const device *d = uuid ? find(s, uuid) : NULL;
    for (int i = 0; d && i < d->rule_count; i++)
        if ((d->rules[i].seconds > 0) == hang && rule_matches(&d->rules[i], function))
            return &d->rules[i];
    for (int i = 0; i < s->rule_count; i++)
        if ((s->rules[i].seconds > 0) == hang && rule_matches(&s->rules[i], function))
            return &s->rules[i];
    return NULL;
}

/* Block as long as the scenario says, or until it says so no more. */
static void block(const char *uuid, const char *function, const rule *rule) {
    struct timespec start, now, nap = {0, 2000000};
    int global = rule->global;
    double seconds = rule->seconds;
    if (global) pthread_mutex_lock(&global_hang);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        const scenario *s = scenario_now();
        clock_gettime(CLOCK_MONOTONIC, &now);
        double left = seconds - (double)(now.tv_sec - start.tv_sec) -
                      (double)(now.tv_nsec - start.tv_nsec) / 1e9;
        if (left <= 0 || !s || !rule_for(s, uuid, function, 1)) break;
        if (left < 0.002) nap.tv_nsec = (long)(left * 1e9);
        nanosleep(&nap, NULL);
    }
    if (global) pthread_mutex_unlock(&global_hang);
}

int begin(const char *function, const handle *h, const scenario **s, const device **d) {
    *s = users > 0 ? scenario_now() : NULL;
    const char *uuid = h ? h->uuid : NULL;
    *d = *s && uuid ? find(*s, uuid) : NULL;
    log_call(function, *d ? (int)(*d - (*s)->devices) : -1);
    if (!*s) return UNINITIALIZED;
    if ((*s)->has_global_rule) {
        pthread_mutex_lock(&global_hang);
        pthread_mutex_unlock(&global_hang);
    }
    const rule *hang = rule_for(*s, uuid, function, 1);
    if (hang) {
        block(uuid, function, hang);
        *s = scenario_now();
        *d = uuid ? find(*s, uuid) : NULL;
    }
    const rule *failure = rule_for(*s, uuid, function, 0);
    if (failure) return failure->code;
    if (!h) return SUCCESS;
    if (h->epoch != epoch) return INVALID_ARGUMENT;
    if (!*d) return GPU_IS_LOST;
    if (h->generation != (*d)->generation) return INVALID_ARGUMENT;
    int lost = (*d)->lost || ((*d)->parent >= 0 && (*s)->devices[(*d)->parent].lost);
    return lost ? GPU_IS_LOST : SUCCESS;
}

int text(const char *from, char *to, unsigned length) {
    if (strlen(from) >= length) return INSUFFICIENT_SIZE;
    strcpy(to, from);
    return SUCCESS;
}

int value(int64_t from, unsigned *to) {
    if (from < 0) return NOT_SUPPORTED;
    *to = (unsigned)from;
    return SUCCESS;
}

/* Start, stop, the machine. */

static int initialise(const char *function) {
    pthread_mutex_lock(&lock);
    if (!users) {
        scenario_reopen();
        log_reopen();
    }
    pthread_mutex_unlock(&lock);
    const scenario *s = scenario_now();
    log_call(function, -1);
    /* Without a scenario this library is as good as not there. */
    if (!s) return getenv("FAKE_NVML_SCENARIO") ? UNKNOWN : LIBRARY_NOT_FOUND;
    const rule *hang = rule_for(s, NULL, function, 1), *failure;
    if (hang) block(NULL, function, hang);
    if ((failure = rule_for(scenario_now(), NULL, function, 0))) return failure->code;
    users++;
    return SUCCESS;
}

EXPORT int nvmlInitWithFlags(unsigned flags) { (void)flags; return initialise(__func__); }
EXPORT int nvmlInit_v2(void) { return initialise(__func__); }
EXPORT int nvmlInit(void) { return initialise(__func__); }

EXPORT int nvmlShutdown(void) {
    log_call(__func__, -1);
    if (!users) return UNINITIALIZED;
    if (!--users) epoch++;
    return SUCCESS;
}

EXPORT const char *nvmlErrorString(int code) {
    static _Thread_local char answer[32];
    snprintf(answer, sizeof answer, "Error %d", code);
    return answer;
}

EXPORT int nvmlSystemGetDriverVersion(char *out, unsigned length) {
    BEGIN(NULL);
    return text(s->driver, out, length);
}
EXPORT int nvmlSystemGetNVMLVersion(char *out, unsigned length) {
    BEGIN(NULL);
    return text(s->nvml, out, length);
}
EXPORT int nvmlSystemGetCudaDriverVersion(int *out) { BEGIN(NULL); *out = s->cuda; return SUCCESS; }
EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *out) { BEGIN(NULL); *out = s->cuda; return SUCCESS; }

/* Handles. */

EXPORT int nvmlDeviceGetCount_v2(unsigned *out) { BEGIN(NULL); *out = (unsigned)s->gpu_count; return SUCCESS; }

static int give_handle(const char *function, const scenario *s, const device *found, handle **out) {
    const rule *failure = found ? rule_for(s, found->uuid, function, 0) : NULL;
    if (!found) return NOT_FOUND;
    if (failure) return failure->code;
    if (found->lost) return GPU_IS_LOST;
    *out = handle_of(found);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, handle **out) {
    BEGIN(NULL);
    for (int i = 0; i < s->device_count; i++)
        if (s->devices[i].parent < 0 && s->devices[i].index == (int)index)
            return give_handle(__func__, s, &s->devices[i], out);
    return INVALID_ARGUMENT;
}
EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, handle **out) {
    BEGIN(NULL);
    return give_handle(__func__, s, find(s, uuid), out);
}
EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, handle **out) {
    BEGIN(NULL);
    for (int i = 0; i < s->device_count; i++)
        if (s->devices[i].parent < 0 && !strcasecmp(s->devices[i].pci, pci))
            return give_handle(__func__, s, &s->devices[i], out);
    return NOT_FOUND;
}
EXPORT int nvmlDeviceGetIndex(handle *h, unsigned *out) { BEGIN(h); return value(d->index, out); }
EXPORT int nvmlDeviceGetUUID(handle *h, char *out, unsigned length) { BEGIN(h); return text(d->uuid, out, length); }
EXPORT int nvmlDeviceGetName(handle *h, char *out, unsigned length) { BEGIN(h); return text(d->name, out, length); }

/* MIG. */

EXPORT int nvmlDeviceGetMigMode(handle *h, unsigned *now, unsigned *pending) {
    BEGIN(h);
    *pending = (unsigned)d->mig_mode;
    return value(d->mig_mode, now);
}
EXPORT int nvmlDeviceGetMaxMigDeviceCount(handle *h, unsigned *out) { BEGIN(h); return value(d->mig_max, out); }
EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(handle *h, unsigned index, handle **out) {
    BEGIN(h);
    int parent = (int)(d - s->devices);
    for (int i = 0; i < s->device_count; i++)
        if (s->devices[i].parent == parent && s->devices[i].index == (int)index)
            return give_handle(__func__, s, &s->devices[i], out);
    return NOT_FOUND;
}
EXPORT int nvmlDeviceIsMigDeviceHandle(handle *h, unsigned *out) { BEGIN(h); *out = d->parent >= 0; return SUCCESS; }
EXPORT int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle *h, handle **out) {
    BEGIN(h);
    if (d->parent < 0) return INVALID_ARGUMENT;
    *out = handle_of(&s->devices[d->parent]);
    return SUCCESS;
}
EXPORT int nvmlDeviceGetGpuInstanceId(handle *h, unsigned *out) {
    BEGIN(h);
    *out = d->gi;
    return d->parent >= 0 ? SUCCESS : NOT_SUPPORTED;
}
EXPORT int nvmlDeviceGetComputeInstanceId(handle *h, unsigned *out) {
    BEGIN(h);
    *out = d->ci;
    return d->parent >= 0 ? SUCCESS : NOT_SUPPORTED;
}

/* Readings. */

EXPORT int nvmlDeviceGetMemoryInfo(handle *h, uint64_t *out) {
    BEGIN(h);
    if (d->total == ABSENT_U64) return NOT_SUPPORTED;
    out[0] = d->total;
    out[1] = d->total - d->used - d->reserved;
    out[2] = d->used + d->reserved; /* version 1 counts the driver's own share as used */
    return SUCCESS;
}
EXPORT int nvmlDeviceGetMemoryInfo_v2(handle *h, void *out) {
    struct { unsigned version; uint64_t total, reserved, free, used; } *memory = out;
    BEGIN(h);
    if (memory->version != 0x02000028) return ARGUMENT_VERSION_MISMATCH;
    if (d->total == ABSENT_U64) return NOT_SUPPORTED;
    memory->total = d->total;
    memory->reserved = d->reserved;
    memory->used = d->used;
    memory->free = d->total - d->used - d->reserved;
    return SUCCESS;
}
EXPORT int nvmlDeviceGetUtilizationRates(handle *h, unsigned out[2]) {
    BEGIN(h);
    if (d->mig_mode == 1 || d->parent >= 0 || d->memory_utilization < 0) return NOT_SUPPORTED;
    out[1] = (unsigned)d->memory_utilization;
    return value(d->utilization, out);
}
EXPORT int nvmlDeviceGetTemperature(handle *h, unsigned sensor, unsigned *out) { BEGIN(h); (void)sensor; return value(d->temperature, out); }
EXPORT int nvmlDeviceGetTemperatureV(handle *h, unsigned *out) {
    BEGIN(h);
    return out[0] == 0x100000C ? value(d->temperature, out + 2) : ARGUMENT_VERSION_MISMATCH;
}
EXPORT int nvmlDeviceGetPowerUsage(handle *h, unsigned *out) { BEGIN(h); return value(d->power, out); }
EXPORT int nvmlDeviceGetEnforcedPowerLimit(handle *h, unsigned *out) { BEGIN(h); return value(d->power_limit, out); }
EXPORT int nvmlDeviceGetPowerManagementLimit(handle *h, unsigned *out) { BEGIN(h); return value(d->power_limit, out); }
EXPORT int nvmlDeviceGetPcieThroughput(handle *h, unsigned counter, unsigned *out) {
    BEGIN(h);
    return value(counter == 0 ? d->pcie_tx : d->pcie_rx, out);
}

/* Processes. Entries of version 1 are 16 bytes, 2 and 3 24; version 3 was 32 in early 535 drivers. */

static int belongs(const scenario *s, const device *d, const device *other) {
    return other == d || (other->parent >= 0 && &s->devices[other->parent] == d);
}

static int list(const scenario *s, const device *d, int kind, size_t size, unsigned *count, char *out) {
    unsigned needed = 0;
    for (int pass = 0; pass < 2; pass++) {
        unsigned place = 0;
        for (int i = 0; i < s->device_count; i++)
            for (int p = 0; belongs(s, d, &s->devices[i]) && p < s->devices[i].process_count; p++) {
                const process *entry = &s->devices[i].processes[p];
                if (entry->kind != kind) continue;
                if (pass) {
                    char *to = out + size * place;
                    memset(to, 0, size);
                    memcpy(to, &entry->pid, 4);
                    memcpy(to + 8, &entry->memory, 8);
                    if (size > 16) memcpy(to + 16, &entry->gi, 4), memcpy(to + 20, &entry->ci, 4);
                }
                place++;
            }
        if (pass) break;
        needed = place;
        unsigned room = out ? *count : 0;
        *count = needed;
        if (needed > room) return INSUFFICIENT_SIZE;
    }
    return SUCCESS;
}

#define PROCESS_LISTS(name, kind)                                                              \
    EXPORT int nvmlDeviceGet##name##RunningProcesses(handle *h, unsigned *count, char *out) {  \
        BEGIN(h);                                                                              \
        return list(s, d, kind, 16, count, out);                                               \
    }                                                                                          \
    EXPORT int nvmlDeviceGet##name##RunningProcesses_v2(handle *h, unsigned *count, char *out) { \
        BEGIN(h);                                                                              \
        return list(s, d, kind, 24, count, out);                                               \
    }                                                                                          \
    EXPORT int nvmlDeviceGet##name##RunningProcesses_v3(handle *h, unsigned *count, char *out) { \
        BEGIN(h);                                                                              \
        return list(s, d, kind, s->legacy_layout ? 32 : 24, count, out);                       \
    }
PROCESS_LISTS(Compute, COMPUTE)
PROCESS_LISTS(Graphics, GRAPHICS)
PROCESS_LISTS(MPSCompute, MPS)
