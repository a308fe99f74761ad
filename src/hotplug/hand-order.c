/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug/hand-order.h"

void
hand_order_begin(HandOrder *order, GTask *task, const MemoryStep *step)
{
    *order = (HandOrder){ .task = task, .step = *step, .device = g_strdup(step->device) };
    order->step.device = order->device;
}

gboolean
hand_order_is_due(const HandOrder *order)
{
    return order->task && !order->issued;
}

guint64
hand_order_count(HandOrder *order, guint64 target)
{
    if (order->counted || order->overtaken)
        return target;
    order->counted = TRUE;
    if (order->step.kind == MEMORY_STEP_PLUG_DIMM)
        return target + order->step.size;
    if (order->step.kind == MEMORY_STEP_UNPLUG_DIMM)
        return target - MIN(target, order->step.size);
    return target;
}

guint64
hand_order_discount(HandOrder *order, guint64 target)
{
    if (!order->counted)
        return target;
    order->counted = FALSE;
    if (order->step.kind == MEMORY_STEP_PLUG_DIMM)
        return target - MIN(target, order->step.size);
    if (order->step.kind == MEMORY_STEP_UNPLUG_DIMM)
        return target + order->step.size;
    return target;
}

void
hand_order_overtake(HandOrder *order)
{
    order->counted = FALSE;
    order->overtaken = order->issued;
}

void
hand_order_answer(HandOrder *order, const char *reason)
{
    g_autoptr(GTask) task = g_steal_pointer(&order->task);

    g_clear_pointer(&order->device, g_free);
    if (reason)
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", reason);
    else
        g_task_return_boolean(task, TRUE);
}
