/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking memplugd to hold memory free for a guest to come, and waiting for it.
 */
#pragma once

#include "cli/connection.h"

typedef struct {
    guint64 size;
    const char *domain;  /* (nullable): a domain's XML, which says size and guest instead */
    guint64 at_least;    /* 0: all of it */
    const char *guest;   /* nullable */
    const char *purpose; /* who asks, in words */
    double wait_s;       /* 0: be told at once if it cannot be had now */
    double ttl_s;        /* 0: as memplugd likes */
} ReservationTerms;

typedef struct {
    guint64 lease;
    guint64 granted; /* bytes */
    double seconds;  /* that it took */
} Reservation;

/*
 * reservation_make:
 * @reservation: (out)
 *
 * Returns once it is granted; shows meanwhile, at a terminal, how it goes. It is not held yet:
 * it ends with @connection, or with Ctrl-C, before reservation_hold(). Returns: FALSE with
 * @error set, which tells what each guest refused and why.
 */
gboolean reservation_make(Connection *connection, const ReservationTerms *terms,
                          Reservation *reservation, GError **error);

/* Takes it: for @process, or for its time to live if that is 0. */
gboolean reservation_hold(Connection *connection, guint64 lease, guint process, GError **error);

gboolean reservation_release(Connection *connection, guint64 lease, GError **error);
