/* What a scenario file says, and the log of calls. See scenario.py for the words of the file. */
#ifndef FAKE_NVML_SCENARIO_H
#define FAKE_NVML_SCENARIO_H

#include <stdint.h>

#define ABSENT_U64 UINT64_MAX
#define NO_INSTANCE UINT32_MAX

enum { COMPUTE = 0, GRAPHICS = 1, MPS = 2 };

typedef struct {
    char function[80]; /* exact, or a prefix where `prefix` is set */
    int prefix;
    int code;       /* the error to return; 0 for none */
    double seconds; /* how long to block first; 0 for not at all */
    int global;     /* while it blocks, no other call gets through either */
} rule;

typedef struct {
    int kind;
    uint32_t pid;
    uint64_t memory; /* bytes, or ABSENT_U64 */
    uint32_t gi, ci;
} process;

typedef struct {
    char uuid[96], name[96], pci[32];
    int index;  /* among GPUs, or within the parent */
    int parent; /* position of the parent; -1 for a whole GPU */
    int generation;
    int mig_mode, mig_max; /* mode -1: MIG is not supported */
    int lost;
    uint32_t gi, ci;
    uint64_t total, reserved, used; /* bytes; total ABSENT_U64: not supported */
    int64_t utilization, memory_utilization, temperature, power, power_limit; /* -1: not supported */
    int64_t pcie_tx, pcie_rx;
    rule *rules;
    int rule_count;
    process *processes;
    int process_count;
} device;

typedef struct {
    char driver[80], nvml[80];
    int cuda;
    int legacy_layout; /* v3 process entries as in drivers 535.43 to before 535.86 */
    int has_global_rule;
    rule *rules;
    int rule_count;
    device *devices;
    int device_count, gpu_count;
} scenario;

/* The scenario as the file says now; NULL where there never was one that could be read. */
const scenario *scenario_now(void);
/* Take the path from the environment again. */
void scenario_reopen(void);
int rule_matches(const rule *rule, const char *function);

/* Take the log's path from the environment again. */
void log_reopen(void);
void log_call(const char *function, int device);

#endif
