/* Reads the scenario file, and again whenever it has been replaced. */
#define _GNU_SOURCE
#include "scenario.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char path[4096];
static struct stat seen;
static const scenario *current;

static void *grow(void *items, int count, size_t size) {
    /* Sizes double at powers of two, so most calls move nothing. */
    if (count & (count - 1)) return items;
    void *grown = realloc(items, (size_t)(count ? count * 2 : 1) * size);
    if (!grown) abort();
    return grown;
}

static int parse_rule(const char *text, rule *out, int hang) {
    char word[16] = "";
    memset(out, 0, sizeof *out);
    int found = hang ? sscanf(text, "%79s %lf %15s", out->function, &out->seconds, word)
                     : sscanf(text, "%79s %d", out->function, &out->code);
    if (found < 2) return 0;
    out->global = strcmp(word, "global") == 0;
    char *star = strchr(out->function, '*');
    if (star) *star = 0, out->prefix = 1;
    return 1;
}

static device *add_device(scenario *s) {
    s->devices = grow(s->devices, s->device_count, sizeof(device));
    device *d = &s->devices[s->device_count++];
    memset(d, 0, sizeof *d);
    d->parent = d->mig_mode = -1;
    d->total = ABSENT_U64;
    d->gi = d->ci = NO_INSTANCE;
    d->utilization = d->memory_utilization = d->temperature = d->power = d->power_limit = -1;
    d->pcie_tx = d->pcie_rx = -1;
    return d;
}

static int parse_process(const char *text, process *p) {
    char kind[16], memory[32];
    long gi = -1, ci = -1;
    if (sscanf(text, "%15s %u %31s %ld %ld", kind, &p->pid, memory, &gi, &ci) < 3) return 0;
    p->kind = kind[0] == 'g' ? GRAPHICS : kind[0] == 'm' ? MPS : COMPUTE;
    p->memory = memory[0] == 'n' ? ABSENT_U64 : strtoull(memory, NULL, 10);
    p->gi = gi < 0 ? NO_INSTANCE : (uint32_t)gi;
    p->ci = ci < 0 ? NO_INSTANCE : (uint32_t)ci;
    return 1;
}

static int parse_line(scenario *s, int *parent, const char *key, const char *text) {
    device *d = s->device_count ? &s->devices[s->device_count - 1] : NULL;
    if (!strcmp(key, "driver")) return sscanf(text, "%79s", s->driver) == 1;
    if (!strcmp(key, "nvml")) return sscanf(text, "%79s", s->nvml) == 1;
    if (!strcmp(key, "cuda")) return sscanf(text, "%d", &s->cuda) == 1;
    if (!strcmp(key, "legacy-layout")) return s->legacy_layout = 1;
    if (!strcmp(key, "gpu")) {
        d = add_device(s);
        *parent = s->device_count - 1;
        d->index = s->gpu_count++;
        return sscanf(text, "%95s", d->uuid) == 1;
    }
    if (!strcmp(key, "instance")) {
        int index = 0;
        for (int i = 0; i < s->device_count; i++) index += s->devices[i].parent == *parent;
        d = add_device(s);
        d->parent = *parent;
        d->index = index;
        return sscanf(text, "%95s %u %u %d", d->uuid, &d->gi, &d->ci, &d->generation) == 4;
    }
    if (!strcmp(key, "fail") || !strcmp(key, "hang")) {
        rule found;
        if (!parse_rule(text, &found, key[0] == 'h')) return 0;
        s->has_global_rule |= found.global;
        if (d) {
            d->rules = grow(d->rules, d->rule_count, sizeof(rule));
            d->rules[d->rule_count++] = found;
        } else {
            s->rules = grow(s->rules, s->rule_count, sizeof(rule));
            s->rules[s->rule_count++] = found;
        }
        return 1;
    }
    if (!d) return 0;
    if (!strcmp(key, "name")) return sscanf(text, "%95[^\n]", d->name) == 1;
    if (!strcmp(key, "pci")) return sscanf(text, "%31s", d->pci) == 1;
    if (!strcmp(key, "mig")) return sscanf(text, "%d %d", &d->mig_mode, &d->mig_max) == 2;
    if (!strcmp(key, "lost")) return d->lost = 1;
    if (!strcmp(key, "memory"))
        return sscanf(text, "%lu %lu %lu", &d->total, &d->reserved, &d->used) == 3;
    if (!strcmp(key, "utilization"))
        return sscanf(text, "%ld %ld", &d->utilization, &d->memory_utilization) == 2;
    if (!strcmp(key, "temperature")) return sscanf(text, "%ld", &d->temperature) == 1;
    if (!strcmp(key, "power")) return sscanf(text, "%ld", &d->power) == 1;
    if (!strcmp(key, "power-limit")) return sscanf(text, "%ld", &d->power_limit) == 1;
    if (!strcmp(key, "pcie")) return sscanf(text, "%ld %ld", &d->pcie_tx, &d->pcie_rx) == 2;
    if (!strcmp(key, "process")) {
        d->processes = grow(d->processes, d->process_count, sizeof(process));
        return parse_process(text, &d->processes[d->process_count++]);
    }
    return 0;
}

static const scenario *parse(const char *file) {
    FILE *in = fopen(file, "re");
    if (!in) return NULL;
    scenario *s = calloc(1, sizeof *s);
    char line[512];
    int number = 0, parent = -1;
    while (s && fgets(line, sizeof line, in)) {
        char key[32];
        int used = 0;
        number++;
        if (sscanf(line, "%31s %n", key, &used) < 1 || key[0] == '#') continue;
        if (!parse_line(s, &parent, key, line + used)) {
            fprintf(stderr, "fake nvml: %s:%d: can't read: %s", file, number, line);
            fclose(in);
            return NULL;
        }
    }
    fclose(in);
    return s;
}

void scenario_reopen(void) {
    const char *named = getenv("FAKE_NVML_SCENARIO");
    pthread_mutex_lock(&lock);
    snprintf(path, sizeof path, "%s", named ? named : "");
    memset(&seen, 0, sizeof seen);
    current = NULL;
    pthread_mutex_unlock(&lock);
}

const scenario *scenario_now(void) {
    struct stat now;
    pthread_mutex_lock(&lock);
    if (path[0] && stat(path, &now) == 0 &&
        (now.st_ino != seen.st_ino || now.st_size != seen.st_size ||
         now.st_mtim.tv_sec != seen.st_mtim.tv_sec || now.st_mtim.tv_nsec != seen.st_mtim.tv_nsec)) {
        /* The scenario before is left in memory: another thread may be reading it. */
        const scenario *fresh = parse(path);
        if (fresh) current = fresh;
        seen = now;
    }
    const scenario *answer = current;
    pthread_mutex_unlock(&lock);
    return answer;
}

int rule_matches(const rule *rule, const char *function) {
    return rule->prefix ? strncmp(rule->function, function, strlen(rule->function)) == 0
                        : strcmp(rule->function, function) == 0;
}
