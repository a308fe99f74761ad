/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/event-heap.h"

#define NOWHERE G_MAXUINT

typedef struct {
    gint64 time_us;
    guint number;
} Entry;

struct _EventHeap {
    Entry *entries; /* a binary heap */
    guint n;
    guint *places; /* of each number in @entries, or NOWHERE */
};

EventHeap *
event_heap_new(guint n)
{
    EventHeap *heap = g_new0(EventHeap, 1);

    heap->entries = g_new(Entry, n);
    heap->places = g_new(guint, n);
    for (guint i = 0; i < n; i++)
        heap->places[i] = NOWHERE;
    return heap;
}

void
event_heap_free(EventHeap *heap)
{
    if (!heap)
        return;
    g_free(heap->entries);
    g_free(heap->places);
    g_free(heap);
}

static gboolean
is_before(const Entry *a, const Entry *b)
{
    return a->time_us < b->time_us || (a->time_us == b->time_us && a->number < b->number);
}

static void
put(EventHeap *heap, guint place, Entry entry)
{
    heap->entries[place] = entry;
    heap->places[entry.number] = place;
}

static void
rise(EventHeap *heap, guint place)
{
    Entry entry = heap->entries[place];

    while (place > 0 && is_before(&entry, &heap->entries[(place - 1) / 2])) {
        put(heap, place, heap->entries[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(heap, place, entry);
}

static void
sink(EventHeap *heap, guint place)
{
    Entry entry = heap->entries[place];
    guint child;

    while ((child = 2 * place + 1) < heap->n) {
        if (child + 1 < heap->n && is_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!is_before(&heap->entries[child], &entry))
            break;
        put(heap, place, heap->entries[child]);
        place = child;
    }
    put(heap, place, entry);
}

static void
take_out(EventHeap *heap, guint number)
{
    guint place = heap->places[number];

    if (place == NOWHERE)
        return;
    heap->places[number] = NOWHERE;
    heap->n--;
    if (place == heap->n)
        return;
    put(heap, place, heap->entries[heap->n]);
    rise(heap, place);
    sink(heap, heap->places[heap->entries[place].number]);
}

void
event_heap_set(EventHeap *heap, guint number, gint64 time_us)
{
    guint place = heap->places[number];

    if (time_us == G_MAXINT64) {
        take_out(heap, number);
        return;
    }
    if (place == NOWHERE)
        place = heap->n++;
    put(heap, place, (Entry){ time_us, number });
    rise(heap, place);
    sink(heap, heap->places[number]);
}

gint64
event_heap_first(const EventHeap *heap, guint *number)
{
    if (heap->n == 0)
        return G_MAXINT64;
    *number = heap->entries[0].number;
    return heap->entries[0].time_us;
}
