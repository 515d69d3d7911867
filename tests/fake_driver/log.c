/* Counts calls in a file that every process and thread shares by mmap. log.py reads it. */
#define _GNU_SOURCE
#include "scenario.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FUNCTIONS = 128, RECORDS = 1 << 16, NAME = 72 };

typedef struct {
    char name[NAME];
    _Atomic uint64_t count;
} function_slot;

typedef struct {
    uint64_t nanoseconds; /* CLOCK_MONOTONIC when the call began */
    uint32_t pid, tid;
    int32_t function, device; /* device -1: no device */
} record;

typedef struct {
    _Atomic uint64_t total;
    uint64_t reserved;
    function_slot functions[FUNCTIONS];
    record records[RECORDS];
} call_log;

static call_log *shared;
static int descriptor = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void log_reopen(void) {
    const char *path = getenv("FAKE_NVML_LOG");
    pthread_mutex_lock(&lock);
    /* The map before stays: another thread may be writing to it. */
    shared = NULL;
    if (descriptor >= 0) close(descriptor);
    descriptor = path && path[0] ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (descriptor >= 0 && ftruncate(descriptor, sizeof(call_log)) == 0) {
        void *map = mmap(NULL, sizeof(call_log), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (map != MAP_FAILED) shared = map;
    }
    pthread_mutex_unlock(&lock);
}

static int slot_of(call_log *log, const char *function) {
    unsigned hash = 5381;
    for (const char *c = function; *c; c++) hash = hash * 33 + (unsigned char)*c;
    for (int probe = 0; probe < FUNCTIONS; probe++) {
        int slot = (int)((hash + (unsigned)probe) % FUNCTIONS);
        if (!log->functions[slot].name[0]) {
            pthread_mutex_lock(&lock);
            flock(descriptor, LOCK_EX); /* against other processes */
            if (!log->functions[slot].name[0]) strncpy(log->functions[slot].name, function, NAME - 1);
            flock(descriptor, LOCK_UN);
            pthread_mutex_unlock(&lock);
        }
        if (!strncmp(log->functions[slot].name, function, NAME)) return slot;
    }
    return -1;
}

void log_call(const char *function, int device) {
    call_log *log = shared;
    if (!log) return;
    int slot = slot_of(log, function);
    if (slot < 0) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t place = atomic_fetch_add(&log->total, 1) % RECORDS;
    log->records[place] = (record){
        .nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
        .pid = (uint32_t)getpid(),
        .tid = (uint32_t)syscall(SYS_gettid),
        .function = slot,
        .device = device,
    };
    atomic_fetch_add(&log->functions[slot].count, 1);
}
