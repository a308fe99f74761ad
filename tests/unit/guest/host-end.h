/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's end of a stats channel for tests: a UNIX socket in a folder of its own.
 */
#pragma once

#include <glib.h>

#include "guest/stats-frame-stream.h"

typedef struct {
    char *folder;
    char *path; /* of the socket */
    int listener;
    int fd; /* -1: nobody is connected */
    guint32 sequence;
    StatsFrameStream stream;
} HostEnd;

/* The folder is made; the socket by host_end_listen(). */
void host_end_start(HostEnd *host);
void host_end_listen(HostEnd *host);

/* Closes the connection and the socket, and removes it. */
void host_end_leave(HostEnd *host);

/* Removes all there is in the folder, and the folder. */
void host_end_stop(HostEnd *host);

/* Takes the connection that is there or comes; fails the test after half a minute. */
void host_end_accept(HostEnd *host);

/* Returns: whether a frame came within @wait_ms. */
gboolean host_end_receive(HostEnd *host, StatsFrame *frame, int wait_ms);

/* Waits for a frame of @type and drops others; fails the test after half a minute. */
void host_end_expect(HostEnd *host, StatsFrameType type, StatsFrame *frame);

void host_end_send(HostEnd *host, StatsFrame *frame);
void host_end_send_bytes(HostEnd *host, const void *bytes, gsize length);
