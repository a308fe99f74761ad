/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest's agent and the host say to each other on the stats channel, and
 * its form on the wire. PROTOCOL.md describes the same for authors of other
 * agents; this header is the contract in C, for both sides.
 *
 * Plain data and pure functions: no I/O, no allocation, nothing but libc. What
 * a frame holds is its sender's claim. Decoding checks the form, never whether a
 * number can be true.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STATS_FRAME_VERSION 1
#define STATS_FRAME_HEADER  20   /* bytes before the payload */
#define STATS_FRAME_MOST    4096 /* bytes of the largest frame, header and all */

/* The value of a number that was not told. It cannot be sent. */
#define STATS_MISSING UINT64_MAX

#define STATS_RELEASE_ROOM 65 /* as in struct utsname */
#define STATS_VERSION_ROOM 33
#define STATS_BOOT_ID_ROOM 37 /* a UUID */

#define STATS_ZONES_MOST  8
#define STATS_BLOCKS_MOST 24
#define STATS_RUNS_MOST   32

/* Bit 7 is set in what a guest says. */
typedef enum {
    STATS_FRAME_WELCOME = 0x01,
    STATS_FRAME_SHRINK = 0x02,
    STATS_FRAME_SHRINK_END = 0x03,

    STATS_FRAME_HELLO = 0x81,
    STATS_FRAME_SAMPLE = 0x82,
    STATS_FRAME_URGENT = 0x83,
    STATS_FRAME_ANSWER = 0x84,
} StatsFrameType;

/* All members that are numbers may be STATS_MISSING unless their comment says
 * "always". Sizes in bytes, times in µs, events counted since the guest's boot. */

#define STATS_WELCOME_SAY_HELLO (1 << 0) /* answer with a HELLO */

/* Host: how to go on. Sent when it connects, and whenever something changes. */
typedef struct {
    uint64_t flags;     /* STATS_WELCOME_… */
    uint64_t period_us; /* from one sample to the next */
    uint64_t plug_us;   /* from an urgent request until new memory is in use, as measured */
    uint64_t valid_us;  /* for how long the host bears an urgent request in mind */
    uint64_t reserve;   /* available memory that the guest is to keep after a shrink */
    uint64_t growth;    /* what the guest can still be given; 0: asking is in vain */
} StatsWelcome;

/* Host: memory is about to be taken. */
typedef struct {
    uint64_t id;       /* always: of this shrink */
    uint64_t size;     /* always */
    uint64_t start_us; /* from now until it begins; the answer is awaited so long */
    uint64_t watch_us; /* for how long the guest is watched after */
} StatsShrink;

typedef enum {
    STATS_SHRINK_DONE = 1,   /* and it stays so */
    STATS_SHRINK_UNDONE = 2, /* the memory is back, or was never taken */
} StatsShrinkOutcome;

typedef struct {
    uint64_t id;      /* always */
    uint64_t outcome; /* always: StatsShrinkOutcome */
} StatsShrinkEnd;

#define STATS_CAN_WATCH  (1 << 0) /* looks ahead and sends URGENT */
#define STATS_CAN_STALL  (1 << 1) /* is woken by the kernel (PSI) when tasks stall */
#define STATS_CAN_PSI    (1 << 2) /* samples have stall times */
#define STATS_CAN_ZONES  (1 << 3)
#define STATS_CAN_BLOCKS (1 << 4)
#define STATS_CAN_ANSWER (1 << 5) /* answers SHRINK */

/* Guest: who speaks. The first frame after the channel opens. */
typedef struct {
    char agent[STATS_VERSION_ROOM];   /* always: name and version */
    char kernel[STATS_RELEASE_ROOM];  /* always: release */
    char boot_id[STATS_BOOT_ID_ROOM]; /* "": not told. Another one: counters begin anew */
    uint64_t can;                     /* always: STATS_CAN_… */
    uint64_t page_size;
    uint64_t block_size; /* of a memory block, the unit of plugging on the guest's side */
    uint64_t fastest;    /* bytes a second that one CPU can put to use */
} StatsHello;

typedef enum {
    STATS_ZONE_OTHER = 0, /* unknown, or more than one */
    STATS_ZONE_DMA = 1,
    STATS_ZONE_DMA32 = 2,
    STATS_ZONE_NORMAL = 3,
    STATS_ZONE_HIGHMEM = 4,
    STATS_ZONE_MOVABLE = 5,
    STATS_ZONE_DEVICE = 6,
    STATS_ZONE_COUNT,
} StatsZoneKind;

/* A kind of zone, all nodes together. */
typedef struct {
    uint64_t kind; /* StatsZoneKind */
    uint64_t present;
    uint64_t managed; /* what of it the page allocator has */
    uint64_t free;
} StatsZone;

typedef enum {
    STATS_BLOCK_OFFLINE = 0,
    STATS_BLOCK_ONLINE = 1,
    STATS_BLOCK_GOING_OFFLINE = 2,
    STATS_BLOCK_STATE_COUNT,
} StatsBlockState;

/* All memory blocks of one state and zone; those of boot memory count too, for
 * Linux does not tell them apart. */
typedef struct {
    uint64_t state; /* StatsBlockState */
    uint64_t zone;  /* StatsZoneKind; OTHER unless online */
    uint64_t count;
    uint64_t size;
} StatsBlocks;

/* Memory blocks with numbers that follow each other, all of one state and zone. */
typedef struct {
    uint64_t first; /* number: its address / block_size of the HELLO */
    uint64_t count;
    uint64_t state; /* StatsBlockState */
    uint64_t zone;  /* StatsZoneKind; OTHER unless online */
} StatsBlockRun;

typedef struct {
    uint64_t time_us; /* always: on a clock of the guest that never runs backwards */
    /* /proc/meminfo */
    uint64_t total; /* always */
    uint64_t free;  /* always */
    uint64_t available;
    uint64_t cached; /* of files and block devices */
    uint64_t dirty;
    uint64_t shmem;
    uint64_t slab_reclaimable;
    uint64_t committed;
    uint64_t swap_total;
    uint64_t swap_free;
    /* /proc/vmstat */
    uint64_t swap_in;  /* bytes */
    uint64_t swap_out; /* bytes */
    uint64_t refaults_anon;
    uint64_t refaults_file;
    uint64_t major_faults;
    uint64_t direct_scans;
    uint64_t direct_steals;
    uint64_t alloc_stalls;
    uint64_t oom_kills;
    /* /proc/pressure/memory */
    uint64_t stall_some_us;
    uint64_t stall_full_us;

    size_t zone_count;
    StatsZone zones[STATS_ZONES_MOST];
    size_t blocks_count;
    StatsBlocks blocks[STATS_BLOCKS_MOST];
    size_t run_count;
    StatsBlockRun runs[STATS_RUNS_MOST]; /* of the lowest numbers; there may be more */
} StatsSample;

typedef enum {
    STATS_URGENT_FORECAST = 1, /* memory falls so fast that it would be gone */
    STATS_URGENT_STALL = 2,    /* tasks wait for memory already */
} StatsUrgentCause;

/* Guest: memory is needed before the next sample. */
typedef struct {
    uint64_t time_us;   /* always: the samples' clock */
    uint64_t available; /* always: what is left */
    uint64_t size;      /* always: what it asks for */
    uint64_t cause;     /* StatsUrgentCause */
    uint64_t fall;      /* bytes a second by which available memory falls */
    uint64_t left_us;   /* until nothing is left, if it goes on so */
    uint64_t total;
} StatsUrgent;

typedef enum {
    STATS_ANSWER_BEARS = 1,
    STATS_ANSWER_REFUSES = 2,
} StatsAnswerVerdict;

typedef enum {
    STATS_REASON_NONE = 0,
    STATS_REASON_LITTLE = 1,   /* too little would be available */
    STATS_REASON_FALLING = 2,  /* what is available falls too fast */
    STATS_REASON_STALLING = 3, /* tasks waited for memory lately */
    STATS_REASON_SWAPPING = 4, /* memory was read back from swap lately */
    STATS_REASON_UNKNOWN = 5,  /* the guest cannot tell how it is */
} StatsAnswerReason;

typedef struct {
    uint64_t id;      /* always: of the SHRINK */
    uint64_t verdict; /* always: StatsAnswerVerdict */
    uint64_t reason;  /* StatsAnswerReason */
    uint64_t margin;  /* what could go beyond @size of the SHRINK; 0 if it refuses */
} StatsAnswer;

typedef struct {
    StatsFrameType type;
    uint32_t sequence; /* counts each sender's frames: a gap is what was dropped */
    union {
        StatsWelcome welcome;
        StatsShrink shrink;
        StatsShrinkEnd shrink_end;
        StatsHello hello;
        StatsSample sample;
        StatsUrgent urgent;
        StatsAnswer answer;
    };
} StatsFrame;

/* What stats_frame_decode() finds at the beginning of some bytes. */
typedef enum {
    STATS_FRAME_OK,        /* a frame; @frame is filled in */
    STATS_FRAME_SHORT,     /* a frame's beginning, or nothing: more bytes are needed */
    STATS_FRAME_NOISE,     /* no frame begins here: wrong marker, or a damaged header */
    STATS_FRAME_DAMAGED,   /* the header is sound, the payload is not */
    STATS_FRAME_FOREIGN,   /* sound, but of a version or type that is not known */
    STATS_FRAME_MALFORMED, /* sound, but a known field has a wrong form or is wanting */
} StatsFrameVerdict;

/* Makes @frame one of @type that tells nothing: numbers STATS_MISSING, texts and
 * lists empty. */
void stats_frame_clear(StatsFrame *frame, StatsFrameType type);

/*
 * stats_frame_encode:
 * @bytes: (out): room for the frame; STATS_FRAME_MOST is always enough
 *
 * What is missing is left out.
 *
 * Returns: the frame's length; 0, with @bytes in any state, if @room does not do
 *   or @frame's type is unknown.
 */
size_t stats_frame_encode(const StatsFrame *frame, uint8_t *bytes, size_t room);

/*
 * stats_frame_decode:
 * @bytes: what was received, from where a frame may begin
 * @frame: (out): written with STATS_FRAME_OK only
 * @taken: (out): for OK, FOREIGN and MALFORMED the frame's length; for DAMAGED
 *   the length that its header claims; 0 else
 */
StatsFrameVerdict stats_frame_decode(const uint8_t *bytes, size_t length, StatsFrame *frame,
                                     size_t *taken);
