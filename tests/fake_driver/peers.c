/* Entry points that this project never calls: for the tools that the benchmarks run beside it. */
#define _GNU_SOURCE
#include "entry.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

EXPORT int nvmlDeviceGetSerial(handle *h, char *out, unsigned length) { BEGIN(h); return text("1650000000000", out, length); }
EXPORT int nvmlDeviceGetFanSpeed(handle *h, unsigned *out) { BEGIN(h); (void)out; return NOT_SUPPORTED; }
EXPORT int nvmlDeviceGetEncoderUtilization(handle *h, unsigned *out, unsigned *period) { BEGIN(h); *out = 0; *period = 16700; return SUCCESS; }
EXPORT int nvmlDeviceGetDecoderUtilization(handle *h, unsigned *out, unsigned *period) { BEGIN(h); *out = 0; *period = 16700; return SUCCESS; }
EXPORT int nvmlDeviceGetClockInfo(handle *h, unsigned type, unsigned *out) { BEGIN(h); *out = type == 2 ? 3201 : 1980; return SUCCESS; }
EXPORT int nvmlDeviceGetMaxClockInfo(handle *h, unsigned type, unsigned *out) { BEGIN(h); *out = type == 2 ? 3201 : 1980; return SUCCESS; }
EXPORT int nvmlDeviceGetPerformanceState(handle *h, unsigned *out) { BEGIN(h); *out = 0; return SUCCESS; }
EXPORT int nvmlDeviceGetPersistenceMode(handle *h, unsigned *out) { BEGIN(h); *out = 1; return SUCCESS; }
EXPORT int nvmlDeviceGetComputeMode(handle *h, unsigned *out) { BEGIN(h); *out = 0; return SUCCESS; }
EXPORT int nvmlDeviceGetCudaComputeCapability(handle *h, int *major, int *minor) { BEGIN(h); *major = 9; *minor = 0; return SUCCESS; }
EXPORT int nvmlDeviceGetDisplayActive(handle *h, unsigned *out) { BEGIN(h); *out = 0; return SUCCESS; }
EXPORT int nvmlDeviceGetDisplayMode(handle *h, unsigned *out) { BEGIN(h); *out = 0; return SUCCESS; }
EXPORT int nvmlDeviceGetTotalEccErrors(handle *h, unsigned type, unsigned counter, uint64_t *out) { BEGIN(h); (void)type, (void)counter; *out = 0; return SUCCESS; }
EXPORT int nvmlDeviceGetDriverModel(handle *h, unsigned *now, unsigned *pending) { BEGIN(h); (void)now, (void)pending; return NOT_SUPPORTED; }
EXPORT int nvmlDeviceGetDriverModel_v2(handle *h, unsigned *now, unsigned *pending) { BEGIN(h); (void)now, (void)pending; return NOT_SUPPORTED; }
EXPORT int nvmlDeviceGetBAR1MemoryInfo(handle *h, uint64_t out[3]) {
    BEGIN(h);
    out[0] = 262144ull << 20;
    out[2] = 1ull << 20;
    out[1] = out[0] - out[2];
    return SUCCESS;
}
EXPORT int nvmlDeviceGetConfComputeMemSizeInfo(handle *h, uint64_t out[2]) { BEGIN(h); (void)out; return NOT_SUPPORTED; }
EXPORT int nvmlDeviceGetRunningProcessDetailList(handle *h, void *out) { BEGIN(h); (void)out; return NOT_SUPPORTED; }
EXPORT int nvmlDeviceGetMaxPcieLinkGeneration(handle *h, unsigned *out) { BEGIN(h); *out = 5; return SUCCESS; }
EXPORT int nvmlDeviceGetCurrPcieLinkGeneration(handle *h, unsigned *out) { BEGIN(h); *out = 5; return SUCCESS; }
EXPORT int nvmlDeviceGetMaxPcieLinkWidth(handle *h, unsigned *out) { BEGIN(h); *out = 16; return SUCCESS; }
EXPORT int nvmlDeviceGetCurrPcieLinkWidth(handle *h, unsigned *out) { BEGIN(h); *out = 16; return SUCCESS; }
EXPORT int nvmlDeviceGetNvLinkVersion(handle *h, unsigned link, unsigned *out) { BEGIN(h); (void)link; *out = 6; return SUCCESS; }

EXPORT int nvmlDeviceGetPciInfo_v3(handle *h, void *out) {
    struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char pci[32]; } *info = out;
    BEGIN(h);
    memset(info, 0, sizeof *info);
    snprintf(info->pci, sizeof info->pci, "%s", d->pci);
    if (strlen(d->pci) > 4) snprintf(info->legacy, sizeof info->legacy, "%.15s", d->pci + 4);
    info->id = 0x233510DE;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetFieldValues(handle *h, int count, void *out) {
    struct { unsigned field, scope; int64_t time, latency; unsigned type, code; uint64_t value; } *fields = out;
    BEGIN(h);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < count; i++) {
        fields[i].time = now.tv_sec * 1000000 + now.tv_nsec / 1000;
        fields[i].latency = 1;
        fields[i].type = 3; /* unsigned long long */
        fields[i].code = SUCCESS;
        fields[i].value = 0;
    }
    return SUCCESS;
}

EXPORT int nvmlDeviceGetProcessUtilization(handle *h, void *out, unsigned *count, uint64_t since) {
    struct { uint32_t pid; uint64_t time; uint32_t sm, memory, encoder, decoder; } *samples = out;
    BEGIN(h);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    (void)since;
    if (d->parent >= 0 || d->mig_mode == 1) return NOT_SUPPORTED;
    if (!d->process_count) return NOT_FOUND;
    unsigned room = samples ? *count : 0;
    *count = (unsigned)d->process_count;
    if (room < *count) return INSUFFICIENT_SIZE;
    for (int i = 0; i < d->process_count; i++) {
        memset(&samples[i], 0, sizeof samples[i]);
        samples[i].pid = d->processes[i].pid;
        samples[i].time = (uint64_t)now.tv_sec * 1000000u + (uint64_t)(now.tv_nsec / 1000);
        samples[i].sm = (unsigned)(d->utilization / d->process_count);
    }
    return SUCCESS;
}
