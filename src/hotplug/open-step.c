/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug/open-step.h"

void
open_step_begin(OpenStep *open, const MemoryStep *step, gint64 now)
{
    char *device = g_strdup(step->device);

    open_step_clear(open);
    *open = (OpenStep){ .active = TRUE, .step = *step, .device = device, .ordered_us = now };
    open->step.device = device;
}

gboolean
open_step_end(OpenStep *open)
{
    gboolean active = open->active;

    open->active = FALSE;
    return active;
}

void
open_step_clear(OpenStep *open)
{
    g_clear_pointer(&open->device, g_free);
    *open = (OpenStep){ 0 };
}
