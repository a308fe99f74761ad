/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/resize-model.h"

/* Those of the daemon (hotplug/resize.c). */
static const FollowPatience patience = {
    .plug_us = 10 * G_USEC_PER_SEC,
    .unplug_us = 10 * G_USEC_PER_SEC,
    .progress_us = 5 * G_USEC_PER_SEC,
    .grow_us = 20 * G_USEC_PER_SEC,
};
static const TroubleTuning trouble_tuning = {
    .first_us = 10 * G_USEC_PER_SEC,
    .most_us = 600 * G_USEC_PER_SEC,
};

void
resize_model_init(ResizeModel *model, const DeviceModel *devices, Mechanism mechanism)
{
    *model = (ResizeModel){ .devices = *devices, .mechanism = mechanism, .wake_us = G_MAXINT64 };
    model->range = recipe_range(&devices->memory, mechanism);
    model->target = guest_memory_actual(&devices->memory);
}

void
resize_model_clear(ResizeModel *model)
{
    device_model_clear(&model->devices);
    trouble_book_free(model->troubles);
    follow_wait_end(&model->wait);
}

static void
record_trouble(ResizeModel *model, const char *subject, gint64 now)
{
    const RecipeBound bound = follow_bound(&model->devices.memory, subject);

    if (!model->troubles)
        model->troubles = trouble_book_new();
    trouble_book_record(model->troubles, &trouble_tuning, &bound, "", now);
}

static Recipe
ask_recipe(ResizeModel *model, gint64 now)
{
    const GuestMemory *memory = &model->devices.memory;
    g_autoptr(GArray) bounds = model->troubles ? trouble_book_bounds(model->troubles, now) : NULL;

    return recipe_next_step(memory, model->target, model->mechanism,
                            bounds ? (const RecipeBound *)bounds->data : NULL,
                            bounds ? bounds->len : 0);
}

/* Returns: FALSE if @subject was given up. */
static gboolean
wait_for(ResizeModel *model, const char *subject, gint64 now)
{
    if (follow_wait(&model->wait, &patience, &model->devices.memory, subject, now)) {
        model->wake_us =
            model->wait.progress_us + follow_patience(&patience, &model->devices.memory, subject);
        return TRUE;
    }
    record_trouble(model, subject, now);
    follow_wait_end(&model->wait);
    return FALSE;
}

static void
rest(ResizeModel *model, gint64 now)
{
    const Trouble *trouble = model->troubles ? trouble_book_next(model->troubles, now) : NULL;

    follow_wait_end(&model->wait);
    model->wake_us = trouble ? trouble->retry_us : G_MAXINT64;
}

/* Returns: whether nothing is left to be done. Each turn orders a step that the recipe then
 * waits for, or puts a device into the book, so the turns end. */
static gboolean
derive(ResizeModel *model, guint64 available, gint64 now)
{
    for (;;) {
        Recipe recipe = ask_recipe(model, now);

        switch (recipe.verdict) {
        case RECIPE_STEP:
            follow_wait_end(&model->wait);
            model->steps++;
            device_model_order(&model->devices, &recipe.step, available, now);
            break;
        case RECIPE_WAIT:
            if (wait_for(model, recipe.waiting_for, now))
                return FALSE;
            break;
        case RECIPE_DONE:
            rest(model, now);
            return TRUE;
        }
    }
}

static gboolean
move_on(ResizeModel *model, guint64 available, gint64 now)
{
    const char *refused;
    gboolean rests;

    do {
        while (device_model_next(&model->devices) <= now) {
            refused = device_model_run(&model->devices, now);
            if (refused)
                record_trouble(model, refused, now);
        }
        rests = derive(model, available, now);
    } while (device_model_next(&model->devices) <= now);
    model->range = recipe_range(&model->devices.memory, model->mechanism);
    return rests;
}

void
resize_model_set_target(ResizeModel *model, guint64 target, guint64 available, gint64 now)
{
    model->target = target;
    move_on(model, available, now);
}

gint64
resize_model_next(const ResizeModel *model)
{
    return MIN(device_model_next(&model->devices), model->wake_us);
}

gboolean
resize_model_run(ResizeModel *model, guint64 available, gint64 now)
{
    return move_on(model, available, now);
}
