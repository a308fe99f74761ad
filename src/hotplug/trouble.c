/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug/trouble.h"

static void
trouble_clear(gpointer data)
{
    Trouble *trouble = data;

    g_free(trouble->device);
    g_free(trouble->reason);
}

TroubleBook *
trouble_book_new(void)
{
    TroubleBook *book = g_new0(TroubleBook, 1);

    book->list = g_array_new(FALSE, TRUE, sizeof(Trouble));
    g_array_set_clear_func(book->list, trouble_clear);
    return book;
}

void
trouble_book_free(TroubleBook *book)
{
    if (!book)
        return;
    g_array_unref(book->list);
    g_free(book);
}

static Trouble *
find(const TroubleBook *book, const char *device)
{
    for (guint i = 0; i < book->list->len; i++) {
        Trouble *trouble = &g_array_index(book->list, Trouble, i);

        if (g_str_equal(trouble->device, device))
            return trouble;
    }
    return NULL;
}

static Trouble *
find_or_add(TroubleBook *book, const char *device)
{
    Trouble *trouble = find(book, device);

    if (!trouble) {
        g_array_set_size(book->list, book->list->len + 1);
        trouble = &g_array_index(book->list, Trouble, book->list->len - 1);
        trouble->device = g_strdup(device);
    }
    return trouble;
}

static gint64
wait_after(const TroubleTuning *tuning, guint strikes)
{
    gint64 wait = tuning->first_us;

    for (guint i = 1; i < strikes && wait < tuning->most_us; i++)
        wait *= 2;
    return MIN(wait, tuning->most_us);
}

void
trouble_book_record(TroubleBook *book, const TroubleTuning *tuning, const RecipeBound *bound,
                    const char *reason, gint64 now)
{
    Trouble *trouble = find_or_add(book, bound->device);

    trouble->least = bound->least;
    trouble->most = bound->most;
    trouble->strikes++;
    trouble->retry_us = now + wait_after(tuning, trouble->strikes);
    g_free(trouble->reason);
    trouble->reason = g_strdup(reason);
}

void
trouble_book_followed(TroubleBook *book, const char *device, gint64 now)
{
    const Trouble *trouble = find(book, device);

    if (trouble && trouble->retry_us <= now)
        trouble_book_forget(book, device);
}

void
trouble_book_forget(TroubleBook *book, const char *device)
{
    const Trouble *trouble = find(book, device);

    if (trouble)
        g_array_remove_index(book->list, (guint)(trouble - (const Trouble *)book->list->data));
}

void
trouble_book_clear(TroubleBook *book)
{
    g_array_set_size(book->list, 0);
}

void
trouble_book_retry_all(TroubleBook *book, gint64 now)
{
    for (guint i = 0; i < book->list->len; i++)
        g_array_index(book->list, Trouble, i).retry_us = now;
}

GArray *
trouble_book_bounds(const TroubleBook *book, gint64 now)
{
    GArray *bounds = g_array_new(FALSE, FALSE, sizeof(RecipeBound));

    for (guint i = 0; i < book->list->len; i++) {
        const Trouble *trouble = &g_array_index(book->list, Trouble, i);
        RecipeBound bound = { trouble->device, trouble->least, trouble->most, FALSE };

        if (trouble->retry_us <= now)
            bound = (RecipeBound){ trouble->device, 0, G_MAXUINT64, TRUE };
        g_array_append_val(bounds, bound);
    }
    return bounds;
}

const Trouble *
trouble_book_next(const TroubleBook *book, gint64 now)
{
    const Trouble *first = NULL;

    for (guint i = 0; i < book->list->len; i++) {
        const Trouble *trouble = &g_array_index(book->list, Trouble, i);

        if (trouble->retry_us > now && (!first || trouble->retry_us < first->retry_us))
            first = trouble;
    }
    return first;
}
