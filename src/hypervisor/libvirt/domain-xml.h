/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading libvirt's XML by XPath.
 *
 * The text comes from libvirt, and parts of it (metadata, what a user defined)
 * from whoever may write there. So it is parsed without network, entities or
 * DTD, refused above DOMAIN_XML_MAX, and every number is checked.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>

/* A domain with hundreds of devices has 200 KiB; libvirt itself stops at 10 MiB. */
#define DOMAIN_XML_MAX (G_GUINT64_CONSTANT(1) << 20)

/* No size in a domain can be more: x86-64 has 52 bits of physical address. Sums of
 * a thousand of these stay within 64 bits. */
#define DOMAIN_XML_SIZE_MAX (G_GUINT64_CONSTANT(1) << 52)

#define DOMAIN_XML_ERROR domain_xml_error_quark()
GQuark domain_xml_error_quark(void);

typedef enum {
    DOMAIN_XML_ERROR_MALFORMED, /* not XML, too large, or not the document that was expected */
    DOMAIN_XML_ERROR_VALUE,     /* an element says what cannot be */
    DOMAIN_XML_ERROR_MISSING,   /* an element that is needed is not there */
    DOMAIN_XML_ERROR_REFUSED,   /* it can be read, but what was asked for cannot be had */
} DomainXmlError;

/* The prefix "libosinfo" is known to the paths below; libvirt's own elements have none. */
typedef struct {
    xmlDoc *document;
    xmlXPathContext *context;
} DomainXml;

/*
 * domain_xml_open:
 * @text: a document of UTF-8
 * @root: (nullable): the name that its first element must have; NULL: any
 *
 * May be called in any thread; so may all that follows, with one DomainXml in one
 * thread at a time.
 * Returns: (transfer full): NULL with @error (DOMAIN_XML_ERROR_MALFORMED) set.
 */
DomainXml *domain_xml_open(const char *text, const char *root, GError **error);

void domain_xml_free(DomainXml *xml);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainXml, domain_xml_free)

/* Returns: the document's first element. */
xmlNode *domain_xml_root(const DomainXml *xml);

/*
 * In all of these @from is the element that @path starts at, or NULL for the
 * document. Paths are constants of ours: one that is wrong is a bug.
 */

/* Returns: (nullable) (transfer none): the first node at @path. */
xmlNode *domain_xml_find(const DomainXml *xml, xmlNode *from, const char *path);

/* Returns: (transfer container): the nodes at @path in the document's order; borrowed. */
GPtrArray *domain_xml_find_all(const DomainXml *xml, xmlNode *from, const char *path);

/* Returns: (transfer full) (nullable): the text of the first node at @path without
 *   white space around it; NULL if there is no such node, or nothing in it. */
char *domain_xml_text(const DomainXml *xml, xmlNode *from, const char *path);

/* Returns: whether the text at @path is @expected. */
gboolean domain_xml_says(const DomainXml *xml, xmlNode *from, const char *path,
                         const char *expected);

/*
 * domain_xml_number:
 * @value: (inout): what holds where nothing is at @path; untouched on failure
 *
 * Returns: FALSE with @error set if what is there is no whole number up to @most.
 */
gboolean domain_xml_number(const DomainXml *xml, xmlNode *from, const char *path, guint64 most,
                           guint64 *value, GError **error);

/*
 * domain_xml_size:
 * @path: an element, whose text is the size, or an attribute
 * @bytes: (inout): what holds where nothing is at @path; untouched on failure
 *
 * The unit is the attribute "unit" of the element (or of the attribute's element),
 * KiB without one, as everywhere in libvirt's XML ("bytes", "KB", "MiB", "G", ...).
 * Returns: FALSE with @error set if it is no size, or above DOMAIN_XML_SIZE_MAX.
 */
gboolean domain_xml_size(const DomainXml *xml, xmlNode *from, const char *path, guint64 *bytes,
                         GError **error);

/*
 * Changes. Sizes are written in KiB, as libvirt does.
 */

/*
 * domain_xml_add:
 * @before: (nullable): the child of @parent that it precedes; NULL: it is the last
 * @element: text of ours, each deeper line indented by 2 spaces more
 *
 * Returns: (transfer none): the new element, indented as its place demands.
 */
xmlNode *domain_xml_add(const DomainXml *xml, xmlNode *parent, xmlNode *before,
                        const char *element);

/* Sets the child @name of @parent to @bytes, a multiple of 1024; adds it if it is not there. */
void domain_xml_set_size(const DomainXml *xml, xmlNode *parent, const char *name, guint64 bytes);

/* Returns: (transfer full): the document as libvirt prints it, and so with nothing
 *   but its changes different from what libvirt printed. */
char *domain_xml_print(const DomainXml *xml);

/* Returns: (transfer full): one element and what it holds, likewise; no line end. */
char *domain_xml_print_node(xmlNode *node);
