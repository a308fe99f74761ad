/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234", and the same with "full": the totals are
 * µs since boot, and all that is needed; averages are made of them by who wants some. */
#include "guest/collect.h"

#include <string.h>

#include "guest/proc-lines.h"

bool
collect_pressure_line(void *data, char *line)
{
    StatsSample *sample = data;
    const char *total = strstr(line, " total=");
    uint64_t value;

    if (!total || !proc_lines_number(total + 7, &value))
        return true;
    if (strncmp(line, "some ", 5) == 0)
        sample->stall_some_us = value;
    else if (strncmp(line, "full ", 5) == 0)
        sample->stall_full_us = value;
    return true;
}
