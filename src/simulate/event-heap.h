/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is next: a heap of numbers, each with the time at which something happens to it.
 * Of those with the same time the smallest number comes first, so that the order never
 * depends on how it came about. Each operation is O(log n) of those that are in it.
 */
#pragma once

#include <glib.h>

typedef struct _EventHeap EventHeap;

/* For the numbers below @n. */
EventHeap *event_heap_new(guint n);
void event_heap_free(EventHeap *heap);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventHeap, event_heap_free)

/* Sets the time of @number, whether it is in the heap or not; G_MAXINT64 takes it out. */
void event_heap_set(EventHeap *heap, guint number, gint64 time_us);

/* Returns: the earliest time; G_MAXINT64 if the heap is empty. @number: (out): whose */
gint64 event_heap_first(const EventHeap *heap, guint *number);
