/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-xml.h"

#include <libxml/parser.h>
#include <libxml/xpathInternals.h>
#include <string.h>

#include "size/size.h"

#define LIBOSINFO_URI "http://libosinfo.org/xmlns/libvirt/domain/1.0"

G_DEFINE_QUARK(memplug_domain_xml_error_quark, domain_xml_error)

static void
initialise(void)
{
    static gsize done = 0;

    if (g_once_init_enter(&done)) {
        xmlInitParser();
        g_once_init_leave(&done, 1);
    }
}

static gboolean
malformed(GError **error, const char *reason)
{
    g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED, "%s", reason);
    return FALSE;
}

static xmlDoc *
parse(const char *text, gsize length, GError **error)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();
    xmlDoc *document = xmlCtxtReadMemory(parser, text, (int)length, NULL, "UTF-8",
                                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

    if (!document) {
        const xmlError *cause = xmlCtxtGetLastError(parser);
        g_autofree char *reason = g_strdup(cause && cause->message ? cause->message : "unknown");

        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED, "not XML: line %d: %s",
                    cause ? cause->line : 0, g_strchomp(reason));
    }
    xmlFreeParserCtxt(parser);
    return document;
}

static gboolean
check(const DomainXml *xml, const char *root, GError **error)
{
    const xmlNode *first = domain_xml_root(xml);

    /* Where there is no DTD there are no entities but XML's own five. */
    if (xml->document->intSubset)
        return malformed(error, "a document type declaration, which libvirt never writes");
    if (root && !xmlStrEqual(first->name, BAD_CAST root)) {
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED, "<%s> where <%s> belongs",
                    (const char *)first->name, root);
        return FALSE;
    }
    return TRUE;
}

DomainXml *
domain_xml_open(const char *text, const char *root, GError **error)
{
    g_autoptr(DomainXml) xml = g_new0(DomainXml, 1);
    gsize length = strnlen(text, DOMAIN_XML_MAX + 1);

    if (length > DOMAIN_XML_MAX) {
        malformed(error, "more than 1 MiB of XML");
        return NULL;
    }
    initialise();
    xml->document = parse(text, length, error);
    if (!xml->document || !check(xml, root, error))
        return NULL;
    xml->context = xmlXPathNewContext(xml->document);
    xmlXPathRegisterNs(xml->context, BAD_CAST "libosinfo", BAD_CAST LIBOSINFO_URI);
    return g_steal_pointer(&xml);
}

void
domain_xml_free(DomainXml *xml)
{
    if (!xml)
        return;
    if (xml->context)
        xmlXPathFreeContext(xml->context);
    if (xml->document)
        xmlFreeDoc(xml->document);
    g_free(xml);
}

xmlNode *
domain_xml_root(const DomainXml *xml)
{
    return xmlDocGetRootElement(xml->document);
}

/* Returns: (transfer container): at most @most nodes. */
static GPtrArray *
find(const DomainXml *xml, xmlNode *from, const char *path, int most)
{
    GPtrArray *nodes = g_ptr_array_new();
    xmlXPathObject *result =
        xmlXPathNodeEval(from ? from : (xmlNode *)xml->document, BAD_CAST path, xml->context);

    if (result && result->nodesetval) {
        xmlXPathNodeSetSort(result->nodesetval);
        for (int i = 0; i < MIN(most, result->nodesetval->nodeNr); i++)
            g_ptr_array_add(nodes, result->nodesetval->nodeTab[i]);
    }
    g_warn_if_fail(result);
    xmlXPathFreeObject(result);
    return nodes;
}

xmlNode *
domain_xml_find(const DomainXml *xml, xmlNode *from, const char *path)
{
    g_autoptr(GPtrArray) nodes = find(xml, from, path, 1);

    return nodes->len > 0 ? nodes->pdata[0] : NULL;
}

GPtrArray *
domain_xml_find_all(const DomainXml *xml, xmlNode *from, const char *path)
{
    return find(xml, from, path, G_MAXINT);
}

static char *
text_of(xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent(node);
    char *text = g_strstrip(g_strdup(content ? (const char *)content : ""));

    xmlFree(content);
    if (*text == '\0')
        g_clear_pointer(&text, g_free);
    return text;
}

char *
domain_xml_text(const DomainXml *xml, xmlNode *from, const char *path)
{
    xmlNode *node = domain_xml_find(xml, from, path);

    return node ? text_of(node) : NULL;
}

gboolean
domain_xml_says(const DomainXml *xml, xmlNode *from, const char *path, const char *expected)
{
    g_autofree char *text = domain_xml_text(xml, from, path);

    return g_strcmp0(text, expected) == 0;
}

/* The element that @node is, or is an attribute of. */
static xmlNode *
element_of(xmlNode *node)
{
    return node->type == XML_ATTRIBUTE_NODE ? node->parent : node;
}

/* "<size>", or "<cell>'s memory" */
static char *
describe(xmlNode *node)
{
    const char *element = (const char *)element_of(node)->name;

    if (node->type == XML_ATTRIBUTE_NODE)
        return g_strdup_printf("<%s>: %s", element, (const char *)node->name);
    return g_strdup_printf("<%s>", element);
}

gboolean
domain_xml_number(const DomainXml *xml, xmlNode *from, const char *path, guint64 most,
                  guint64 *value, GError **error)
{
    xmlNode *node = domain_xml_find(xml, from, path);
    g_autofree char *text = node ? text_of(node) : NULL;
    g_autofree char *what = node ? describe(node) : NULL;

    if (!text || g_ascii_string_to_unsigned(text, 10, 0, most, value, NULL))
        return TRUE;
    g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_VALUE,
                "%s: '%s' is no number up to %" G_GUINT64_FORMAT, what, text, most);
    return FALSE;
}

gboolean
domain_xml_size(const DomainXml *xml, xmlNode *from, const char *path, guint64 *bytes,
                GError **error)
{
    g_autoptr(GError) cause = NULL;
    xmlNode *node = domain_xml_find(xml, from, path);
    g_autofree char *number = node ? text_of(node) : NULL;
    g_autofree char *unit = number ? domain_xml_text(xml, element_of(node), "@unit") : NULL;
    g_autofree char *text = g_strjoin(" ", number ? number : "", unit, NULL);
    g_autofree char *what = node ? describe(node) : NULL;
    guint64 size;

    if (!number)
        return TRUE;
    if (size_parse(text, SIZE_KIB, &size, &cause) && size <= DOMAIN_XML_SIZE_MAX) {
        *bytes = size;
        return TRUE;
    }
    g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_VALUE, "%s: %s", what,
                cause ? cause->message : "larger than any machine's memory");
    return FALSE;
}

/*
 * Changes
 */

/* "\n" and the white space that indents the children of an element @depth deep. */
static xmlNode *
new_line(const DomainXml *xml, guint depth)
{
    g_autofree char *space = g_strnfill(2 * (gsize)depth, ' ');
    g_autofree char *text = g_strconcat("\n", space, NULL);

    return xmlNewDocText(xml->document, BAD_CAST text);
}

static guint
depth_of(const xmlNode *node)
{
    guint depth = 0;

    for (; node->parent && node->parent->type == XML_ELEMENT_NODE; node = node->parent)
        depth++;
    return depth;
}

/* Returns: @element, written with our indentation, as it stands @depth deep. */
static xmlNode *
parse_element(const DomainXml *xml, const char *element, guint depth)
{
    g_autoptr(GString) text = g_string_new(element);
    g_autofree char *space = g_strnfill(2 * (gsize)depth, ' ');
    g_autofree char *line = g_strconcat("\n", space, NULL);
    g_autoptr(DomainXml) part = NULL;

    g_string_replace(text, "\n", line, 0);
    part = domain_xml_open(text->str, NULL, NULL);
    return xmlDocCopyNode(domain_xml_root(part), xml->document, 1);
}

xmlNode *
domain_xml_add(const DomainXml *xml, xmlNode *parent, xmlNode *before, const char *element)
{
    guint depth = depth_of(parent) + 1;
    xmlNode *added = parse_element(xml, element, depth);

    if (before) {
        xmlAddPrevSibling(before, added);
        xmlAddPrevSibling(before, new_line(xml, depth));
    } else if (parent->last && xmlIsBlankNode(parent->last) && parent->last->prev) {
        /* Before the white space that leads to the parent's end. */
        xmlAddPrevSibling(parent->last, added);
        xmlAddPrevSibling(added, new_line(xml, depth));
    } else {
        xmlAddChild(parent, new_line(xml, depth));
        xmlAddChild(parent, added);
        xmlAddChild(parent, new_line(xml, depth - 1));
    }
    return added;
}

void
domain_xml_set_size(const DomainXml *xml, xmlNode *parent, const char *name, guint64 bytes)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, bytes / SIZE_KIB);
    xmlNode *element = domain_xml_find(xml, parent, name);

    if (!element) {
        g_autofree char *empty = g_strdup_printf("<%s/>", name);

        element = domain_xml_add(xml, parent, NULL, empty);
    }
    xmlNodeSetContent(element, BAD_CAST number);
    xmlSetProp(element, BAD_CAST "unit", BAD_CAST "KiB");
}

/*
 * Printing, in libvirt's own hand, so that a comparison shows only what was
 * changed: apostrophes around attributes, and namespaces after them. Metadata,
 * which is not libvirt's, it prints as libxml2 does.
 */

static void
print_escaped(GString *text, const xmlChar *content, gboolean attribute)
{
    g_autofree char *escaped = g_markup_escape_text((const char *)content, -1);

    /* A parser would make spaces of these. */
    for (const char *c = escaped; *c != '\0'; c++) {
        if (*c == '\r' || (attribute && (*c == '\n' || *c == '\t')))
            g_string_append_printf(text, "&#%d;", *c);
        else
            g_string_append_c(text, *c);
    }
}

static void
print_name(GString *text, const xmlNs *space, const xmlChar *name)
{
    if (space && space->prefix)
        g_string_append_printf(text, "%s:", (const char *)space->prefix);
    g_string_append(text, (const char *)name);
}

static void
print_start(GString *text, const xmlNode *element)
{
    g_string_append_c(text, '<');
    print_name(text, element->ns, element->name);
    for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next) {
        xmlChar *value = xmlNodeGetContent((xmlNode *)attribute);

        g_string_append_c(text, ' ');
        print_name(text, attribute->ns, attribute->name);
        g_string_append(text, "='");
        print_escaped(text, value, TRUE);
        g_string_append_c(text, '\'');
        xmlFree(value);
    }
    for (const xmlNs *space = element->nsDef; space; space = space->next) {
        g_string_append(text, space->prefix ? " xmlns:" : " xmlns");
        g_string_append(text, space->prefix ? (const char *)space->prefix : "");
        g_string_append(text, "='");
        print_escaped(text, space->href, TRUE);
        g_string_append_c(text, '\'');
    }
}

static void
print_as_libxml(GString *text, xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();

    xmlNodeDump(buffer, node->doc, node, 0, 0);
    g_string_append(text, (const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
}

/* Recursive: libxml2 refuses what is more than 256 elements deep. */
static void
print(GString *text, xmlNode *node)
{
    if (node->type == XML_TEXT_NODE) {
        print_escaped(text, node->content, FALSE);
        return;
    }
    if (node->type != XML_ELEMENT_NODE || xmlStrEqual(node->parent->name, BAD_CAST "metadata")) {
        print_as_libxml(text, node);
        return;
    }
    print_start(text, node);
    if (!node->children) {
        g_string_append(text, "/>");
        return;
    }
    g_string_append_c(text, '>');
    for (xmlNode *child = node->children; child; child = child->next)
        print(text, child);
    g_string_append(text, "</");
    print_name(text, node->ns, node->name);
    g_string_append_c(text, '>');
}

char *
domain_xml_print_node(xmlNode *node)
{
    g_autoptr(GString) text = g_string_new(NULL);

    print(text, node);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

char *
domain_xml_print(const DomainXml *xml)
{
    g_autofree char *text = domain_xml_print_node(domain_xml_root(xml));

    return g_strconcat(text, "\n", NULL);
}
