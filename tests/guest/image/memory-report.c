/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything is read with open() and read() into static buffers: the report is
 * wanted most when the guest has no memory left for stdio or a child process.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/image/memory-report.h"

#define MEMORY_BLOCKS "/sys/devices/system/memory"

struct report {
    char *text;
    size_t size;
    size_t length; /* above size: it did not fit */
};

static char file_text[256 * 1024];

__attribute__((format(printf, 2, 3))) static void
add(struct report *report, const char *format, ...)
{
    if (report->length >= report->size)
        return;
    va_list arguments;
    va_start(arguments, format);
    report->length +=
        vsnprintf(report->text + report->length, report->size - report->length, format, arguments);
    va_end(arguments);
}

/* The file's text without its last line end; "" if it cannot be read. */
static const char *
read_text(const char *path, char *text, size_t size)
{
    size_t length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t count;
        while (length < size - 1 && (count = read(fd, text + length, size - 1 - length)) > 0)
            length += count;
        close(fd);
    }
    if (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    return text;
}

/* The number after @name, which starts a line or follows a blank; -1 if there is none. */
static long long
number_after(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *found = strstr(text, name); found != NULL; found = strstr(found + 1, name)) {
        if (found == text || found[-1] == '\n' || found[-1] == ' ')
            return strtoll(found + length, NULL, 10);
    }
    return -1;
}

static void
add_meminfo(struct report *report)
{
    static const char *const fields[][2] = {
        { "total", "MemTotal:" },         { "free", "MemFree:" },
        { "available", "MemAvailable:" }, { "swap_total", "SwapTotal:" },
        { "swap_free", "SwapFree:" },
    };
    read_text("/proc/meminfo", file_text, sizeof file_text);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        long long kib = number_after(file_text, fields[i][1]);
        add(report, "\"%s\":%lld,", fields[i][0], kib < 0 ? -1 : kib * 1024);
    }
}

static void
add_pressure(struct report *report)
{
    read_text("/proc/vmstat", file_text, sizeof file_text);
    add(report, "\"swap_in_pages\":%lld,\"swap_out_pages\":%lld,\"oom_kills\":%lld,",
        number_after(file_text, "pswpin "), number_after(file_text, "pswpout "),
        number_after(file_text, "oom_kill "));
    read_text("/proc/pressure/memory", file_text, sizeof file_text);
    const char *full = strstr(file_text, "full ");
    add(report, "\"psi_some_us\":%lld,\"psi_full_us\":%lld,", number_after(file_text, "total="),
        full != NULL ? number_after(full, "total=") : -1);
}

static void
add_policy(struct report *report)
{
    char text[64];
    add(report, "\"online_policy\":\"%s\",",
        read_text("/sys/module/memory_hotplug/parameters/online_policy", text, sizeof text));
    add(report, "\"auto_online\":\"%s\",",
        read_text(MEMORY_BLOCKS "/auto_online_blocks", text, sizeof text));
}

static void
add_zones(struct report *report)
{
    const char *separator = "";
    long page_size = sysconf(_SC_PAGESIZE);
    read_text("/proc/zoneinfo", file_text, sizeof file_text);
    add(report, "\"zones\":{");
    for (const char *zone = strstr(file_text, " zone "); zone != NULL;
         zone = strstr(zone + 1, " zone ")) {
        char name[32];
        long long managed = number_after(zone, "managed");
        if (sscanf(zone, " zone %31s", name) == 1 && managed > 0) {
            add(report, "%s\"%s\":%lld", separator, name, managed * page_size);
            separator = ",";
        }
    }
    add(report, "},");
}

static void
add_block(struct report *report, unsigned id, const char *separator)
{
    char path[128], state[32], zone[64] = "none";
    snprintf(path, sizeof path, MEMORY_BLOCKS "/memory%u/state", id);
    read_text(path, state, sizeof state);
    /*
     * Only when it is online: measured on 6.12, reading valid_zones of a block that is
     * just being added, whose node is not known yet, crashes the kernel.
     */
    if (strcmp(state, "online") == 0) {
        snprintf(path, sizeof path, MEMORY_BLOCKS "/memory%u/valid_zones", id);
        read_text(path, zone, sizeof zone);
    }
    add(report, "%s{\"id\":%u,\"state\":\"%s\",\"zone\":\"%s\"}", separator, id, state, zone);
}

/* scandir() and opendir() allocate, but once and little. */
static void
add_blocks(struct report *report)
{
    const char *separator = "";
    add(report, "\"blocks\":[");
    DIR *folder = opendir(MEMORY_BLOCKS);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        unsigned id;
        if (sscanf(entry->d_name, "memory%u", &id) == 1) {
            add_block(report, id, separator);
            separator = ",";
        }
    }
    if (folder != NULL)
        closedir(folder);
    add(report, "]");
}

size_t
memory_report_write(char *text, size_t size)
{
    struct report report = { text, size, 0 };
    add(&report, "{");
    add_meminfo(&report);
    add_pressure(&report);
    add_policy(&report);
    add_zones(&report);
    add_blocks(&report);
    add(&report, "}\n");
    return report.length < size ? report.length : 0;
}
