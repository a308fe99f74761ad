/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The lines that both texts begin with, and those that both end with, are set aside. Of
 * the middle, common[i][j] is how many lines the texts from their lines i and j on have
 * in common at most (the longest common subsequence, filled in from the end); walking it
 * from the beginning tells for each line whether it is kept, taken out or put in. What is
 * set aside is cheap, and two versions of one definition differ in few places, so the
 * table stays small.
 *
 * The edits are then written in hunks: changes that have at most twice CONTEXT kept lines
 * between them share one.
 */
#include "cli/difference.h"

#include <string.h>

#define CONTEXT 3

typedef struct {
    char sign;        /* ' ' kept, '-' taken out, '+' put in */
    const char *line; /* borrowed */
} Edit;

typedef struct {
    GStrv lines;
    guint n;
} Text;

static Text
text_of(const char *string)
{
    Text text = { .lines = g_strsplit(string, "\n", -1) };

    text.n = g_strv_length(text.lines);
    if (text.n > 0 && text.lines[text.n - 1][0] == '\0')
        text.n--;
    return text;
}

static void
add(GArray *edits, char sign, const char *line)
{
    Edit edit = { sign, line };

    g_array_append_val(edits, edit);
}

static void
add_lines(GArray *edits, char sign, const Text *text, guint from, guint to)
{
    for (guint i = from; i < to; i++)
        add(edits, sign, text->lines[i]);
}

/* The lines from @head on, without the last @tail of each text. */
static void
add_middle(GArray *edits, const Text *before, const Text *after, guint head, guint tail)
{
    char **a = before->lines + head;
    char **b = after->lines + head;
    guint n = before->n - head - tail;
    guint m = after->n - head - tail;
    gsize row = m + 1;
    g_autofree guint16 *common = g_new0(guint16, (n + 1) * row);
    guint i = 0;
    guint j = 0;

    for (guint x = n; x-- > 0;)
        for (guint y = m; y-- > 0;)
            common[x * row + y] = g_str_equal(a[x], b[y])
                                      ? common[(x + 1) * row + y + 1] + 1
                                      : MAX(common[(x + 1) * row + y], common[x * row + y + 1]);
    while (i < n || j < m) {
        if (i < n && j < m && g_str_equal(a[i], b[j])) {
            add(edits, ' ', a[i++]);
            j++;
        } else if (j == m || (i < n && common[(i + 1) * row + j] >= common[i * row + j + 1])) {
            add(edits, '-', a[i++]);
        } else {
            add(edits, '+', b[j++]);
        }
    }
}

static GArray *
edits_between(const Text *before, const Text *after)
{
    GArray *edits = g_array_new(FALSE, FALSE, sizeof(Edit));
    guint shorter = MIN(before->n, after->n);
    guint head = 0;
    guint tail = 0;

    if (MAX(before->n, after->n) > DIFFERENCE_MAX_LINES) {
        add_lines(edits, '-', before, 0, before->n);
        add_lines(edits, '+', after, 0, after->n);
        return edits;
    }
    while (head < shorter && g_str_equal(before->lines[head], after->lines[head]))
        head++;
    while (tail < shorter - head &&
           g_str_equal(before->lines[before->n - 1 - tail], after->lines[after->n - 1 - tail]))
        tail++;
    add_lines(edits, ' ', before, 0, head);
    add_middle(edits, before, after, head, tail);
    add_lines(edits, ' ', before, before->n - tail, before->n);
    return edits;
}

static char
sign_at(const GArray *edits, guint i)
{
    return g_array_index(edits, Edit, i).sign;
}

/* Returns: behind the last change of the hunk whose first change is @change. */
static guint
hunk_end(const GArray *edits, guint change)
{
    guint end = change + 1;

    for (guint i = end; i < edits->len && i - end <= 2 * CONTEXT; i++)
        if (sign_at(edits, i) != ' ')
            end = i + 1;
    return end;
}

/* A range of lines as diff writes it: an empty one by the line before it. */
static void
write_range(GString *out, char sign, guint first, guint count)
{
    g_string_append_printf(out, "%c%u", sign, count > 0 ? first + 1 : first);
    if (count != 1)
        g_string_append_printf(out, ",%u", count);
}

/* @before, @after: the number of lines of each text before the edit @from. */
static void
write_hunk(GString *out, const GArray *edits, guint from, guint to, guint before, guint after)
{
    guint gone = 0;
    guint come = 0;

    for (guint i = from; i < to; i++) {
        gone += sign_at(edits, i) != '+';
        come += sign_at(edits, i) != '-';
    }
    g_string_append(out, "@@ ");
    write_range(out, '-', before, gone);
    g_string_append_c(out, ' ');
    write_range(out, '+', after, come);
    g_string_append(out, " @@\n");
    for (guint i = from; i < to; i++)
        g_string_append_printf(out, "%c%s\n", sign_at(edits, i),
                               g_array_index(edits, Edit, i).line);
}

static void
write_hunks(GString *out, const GArray *edits)
{
    guint before = 0;
    guint after = 0;
    guint done = 0; /* edits that are counted in the two above */

    for (guint i = 0; i < edits->len; i++) {
        guint from;
        guint to;
        guint end;

        if (sign_at(edits, i) == ' ')
            continue;
        end = hunk_end(edits, i);
        from = i - done > CONTEXT ? i - CONTEXT : done;
        to = MIN(end + CONTEXT, edits->len);
        /* What lies between two hunks is kept, and so counts in both texts. */
        before += from - done;
        after += from - done;
        write_hunk(out, edits, from, to, before, after);
        for (guint k = from; k < to; k++) {
            before += sign_at(edits, k) != '+';
            after += sign_at(edits, k) != '-';
        }
        done = to;
        i = to - 1;
    }
}

char *
difference(const char *before, const char *after, const char *before_name, const char *after_name)
{
    Text old = text_of(before);
    Text new = text_of(after);
    g_autoptr(GArray) edits = edits_between(&old, &new);
    GString *out = g_string_new(NULL);

    write_hunks(out, edits);
    if (out->len > 0) {
        g_autofree char *head = g_strdup_printf("--- %s\n+++ %s\n", before_name, after_name);

        g_string_prepend(out, head);
    }
    g_strfreev(old.lines);
    g_strfreev(new.lines);
    return g_string_free(out, FALSE);
}
