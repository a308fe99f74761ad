/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/libvirt/harness/test-domain.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <string.h>

#include "tests/guest/harness/test-machine.h"

#define CONNECT_TIMEOUT (60 * G_USEC_PER_SEC) /* also for the answers */
#define KIB             G_GUINT64_CONSTANT(1024)

struct TestDomain {
    TestLibvirtd *libvirtd;
    char *name;
    char *console;    /* path of the kernel's messages */
    char *saved;      /* path of the saved guest */
    GSocket *control; /* listens for QEMU's second serial port; NULL without a kernel */
    TestGuest *guest; /* of the run that was started last */
};

static char *
room_path(TestLibvirtd *libvirtd, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    return test_room_path(test_libvirtd_room(libvirtd), file);
}

/* virsh VERB FILE for a file with @xml. */
static gboolean
define(TestLibvirtd *libvirtd, const char *name, const char *xml, GError **error)
{
    g_autofree char *path = room_path(libvirtd, name, ".xml");
    return g_file_set_contents(path, xml, -1, error) &&
           test_libvirtd_virsh(libvirtd, NULL, error, "define", path, NULL);
}

TestDomain *
test_domain_define(TestLibvirtd *libvirtd, const TestDomainOptions *options, GError **error)
{
    const char *name = options->name != NULL ? options->name : "domain";
    g_autofree char *image = NULL, *control = room_path(libvirtd, name, ".control");
    g_autoptr(TestDomain) domain = g_new0(TestDomain, 1);
    domain->libvirtd = libvirtd;
    domain->name = g_strdup(name);
    domain->console = room_path(libvirtd, name, ".console");
    domain->saved = room_path(libvirtd, name, ".saved");
    if (!options->no_kernel) {
        image = test_machine_image(options->kernel, TRUE, error);
        if (image == NULL)
            return NULL;
        domain->control = test_room_listen(control, error);
        if (domain->control == NULL)
            return NULL;
    }
    g_autofree char *xml = test_domain_xml(options, image, domain->console, control);
    return define(libvirtd, name, xml, error) ? g_steal_pointer(&domain) : NULL;
}

gboolean
test_domain_start(TestDomain *domain, gboolean paused, GError **error)
{
    g_clear_pointer(&domain->guest, test_guest_free);
    if (!test_domain_virsh(domain, NULL, error, "start", paused ? "--paused" : NULL, NULL))
        return FALSE;
    if (domain->control == NULL)
        return TRUE;
    g_autoptr(GSocketConnection) connection =
        test_room_accept(domain->control, CONNECT_TIMEOUT, error);
    if (connection == NULL)
        return FALSE;
    domain->guest = test_guest_adopt(domain->name, domain->console, connection);
    return TRUE;
}

gboolean
test_domain_wait_ready(TestDomain *domain, GError **error)
{
    return domain->guest == NULL || test_guest_wait_ready(domain->guest, error);
}

TestDomain *
test_domain_boot(TestLibvirtd *libvirtd, const TestDomainOptions *options, GError **error)
{
    g_autoptr(TestDomain) domain = test_domain_define(libvirtd, options, error);
    if (domain == NULL || !test_domain_start(domain, FALSE, error) ||
        !test_domain_wait_ready(domain, error))
        return NULL;
    return g_steal_pointer(&domain);
}

gboolean
test_domain_save(TestDomain *domain, GError **error)
{
    return test_domain_virsh(domain, NULL, error, "save", domain->saved, NULL);
}

/* The guest goes on in another QEMU, which has connected to its socket. */
static gboolean
follow_guest(TestDomain *domain, GError **error)
{
    if (domain->guest == NULL)
        return TRUE;
    g_autoptr(GSocketConnection) connection =
        test_room_accept(domain->control, CONNECT_TIMEOUT, error);
    if (connection == NULL)
        return FALSE;
    test_guest_reconnect(domain->guest, connection);
    return TRUE;
}

gboolean
test_domain_restore(TestDomain *domain, GError **error)
{
    return test_libvirtd_virsh(domain->libvirtd, NULL, error, "restore", domain->saved, NULL) &&
           follow_guest(domain, error);
}

gboolean
test_domain_migrate(TestDomain *domain, TestLibvirtd *target, GError **error)
{
    g_autofree char *socket = room_path(target, domain->name, ".migration");
    g_autofree char *data = g_strconcat("unix://", socket, NULL);
    if (!test_domain_virsh(domain, NULL, error, "migrate", "--live", "--desturi",
                           test_libvirtd_uri(target), "--migrateuri", data, NULL))
        return FALSE;
    domain->libvirtd = target;
    return follow_guest(domain, error);
}

void
test_domain_free(TestDomain *domain)
{
    if (domain == NULL)
        return;
    test_guest_free(domain->guest);
    g_clear_object(&domain->control);
    g_free(domain->saved);
    g_free(domain->console);
    g_free(domain->name);
    g_free(domain);
}

const char *
test_domain_name(TestDomain *domain)
{
    return domain->name;
}

TestGuest *
test_domain_guest(TestDomain *domain)
{
    return domain->guest;
}

GPid
test_domain_pid(TestDomain *domain)
{
    return test_libvirtd_domain_pid(domain->libvirtd, domain->name);
}

gboolean
test_domain_virsh(TestDomain *domain, char **output, GError **error, const char *verb, ...)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new();
    va_list values;
    g_ptr_array_add(arguments, (gpointer)verb);
    g_ptr_array_add(arguments, domain->name);
    va_start(values, verb);
    for (char *value; (value = va_arg(values, char *)) != NULL;)
        g_ptr_array_add(arguments, value);
    va_end(values);
    g_ptr_array_add(arguments, NULL);
    return test_libvirtd_virsh_strv(domain->libvirtd, output, (const char *const *)arguments->pdata,
                                    error);
}

gboolean
test_domain_with_file(TestDomain *domain, const char *verb, const char *xml, GError **error)
{
    g_autofree char *path = room_path(domain->libvirtd, domain->name, ".device.xml");
    return g_file_set_contents(path, xml, -1, error) &&
           test_domain_virsh(domain, NULL, error, verb, path, "--live", NULL);
}

gboolean
test_domain_attach_dimm(TestDomain *domain, guint64 size, guint node, const char *alias,
                        GError **error)
{
    g_autofree char *named = alias != NULL ? g_strdup_printf("<alias name='%s'/>", alias) : NULL;
    g_autofree char *xml =
        g_strdup_printf("<memory model='dimm'><target><size unit='KiB'>%" G_GUINT64_FORMAT "</size>"
                        "<node>%u</node></target>%s</memory>",
                        size / KIB, node, named != NULL ? named : "");
    return test_domain_with_file(domain, "attach-device", xml, error);
}

/*
 * What libvirt says
 */

static xmlXPathObjectPtr
evaluate(xmlXPathContextPtr context, const char *expression, GError **error)
{
    xmlXPathObjectPtr object = xmlXPathEvalExpression((const xmlChar *)expression, context);
    if (object == NULL)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "XPath: %s", expression);
    return object;
}

static xmlDocPtr
dump_xml(TestDomain *domain, TestDomainScope scope, GError **error)
{
    const char *option = scope == TEST_DOMAIN_CONFIG ? "--inactive" : NULL;
    g_autofree char *text = NULL;
    if (!test_domain_virsh(domain, &text, error, "dumpxml", option, NULL))
        return NULL;
    xmlDocPtr document = xmlReadMemory(text, (int)strlen(text), "domain", NULL, XML_PARSE_NONET);
    if (document == NULL)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "no XML: %s", text);
    return document;
}

char *
test_domain_xpath(TestDomain *domain, TestDomainScope scope, const char *expression, GError **error)
{
    char *result = NULL;
    xmlDocPtr document = dump_xml(domain, scope, error);
    if (document == NULL)
        return NULL;
    xmlXPathContextPtr context = xmlXPathNewContext(document);
    xmlXPathObjectPtr object = evaluate(context, expression, error);
    if (object != NULL) {
        xmlChar *value = xmlXPathCastToString(object);
        result = g_strdup((const char *)value);
        xmlFree(value);
    }
    xmlXPathFreeObject(object);
    xmlXPathFreeContext(context);
    xmlFreeDoc(document);
    return result;
}

/* An expression whose value is a number: of KiB, or a count. */
static guint64
number(xmlXPathContextPtr context, const char *expression)
{
    xmlXPathObjectPtr object = evaluate(context, expression, NULL);
    double value = object != NULL ? xmlXPathCastToNumber(object) : 0;
    xmlXPathFreeObject(object);
    return value > 0 ? (guint64)value : 0; /* nor is NaN */
}

/* libvirt prints every size in KiB. */
static gboolean
read_xml(TestDomain *domain, TestDomainMemory *memory, GError **error)
{
    xmlDocPtr document = dump_xml(domain, TEST_DOMAIN_LIVE, error);
    if (document == NULL)
        return FALSE;
    xmlXPathContextPtr context = xmlXPathNewContext(document);
#define DEVICE "/domain/devices/memory"
    memory->memory = number(context, "number(/domain/memory)") * KIB;
    memory->current = number(context, "number(/domain/currentMemory)") * KIB;
    memory->max_memory = number(context, "number(/domain/maxMemory)") * KIB;
    memory->dimms = number(context, "sum(" DEVICE "[@model='dimm']/target/size)") * KIB;
    memory->n_dimms = (guint)number(context, "count(" DEVICE "[@model='dimm'])");
    memory->n_ours =
        (guint)number(context, "count(" DEVICE "[starts-with(alias/@name, 'ua-memplug-')])");
    memory->virtio_mem_requested = number(context, "sum(" DEVICE "/target/requested)") * KIB;
    memory->virtio_mem_current = number(context, "sum(" DEVICE "/target/current)") * KIB;
#undef DEVICE
    xmlXPathFreeContext(context);
    xmlFreeDoc(document);
    return TRUE;
}

/* The number behind @label, which begins a line after blanks; 0 if it is not there. */
static guint64
labelled(const char *text, const char *label)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        const char *start = g_strstrip(*line);
        if (g_str_has_prefix(start, label))
            return g_ascii_strtoull(start + strlen(label), NULL, 10) * KIB;
    }
    return 0;
}

gboolean
test_domain_memory(TestDomain *domain, TestDomainMemory *memory, GError **error)
{
    g_autofree char *all = NULL, *one = NULL;
    TestDomainMemory read = { 0 };
    if (!read_xml(domain, &read, error) ||
        !test_libvirtd_virsh(domain->libvirtd, &all, error, "domstats", "--balloon", domain->name,
                             NULL) ||
        !test_domain_virsh(domain, &one, error, "dommemstat", NULL))
        return FALSE;
    read.stats_current = labelled(all, "balloon.current=");
    read.stats_maximum = labelled(all, "balloon.maximum=");
    read.dommemstat_actual = labelled(one, "actual ");
    *memory = read;
    return TRUE;
}

gboolean
test_domain_is_tainted(TestDomain *domain)
{
    g_autofree char *log = test_libvirtd_domain_log(domain->libvirtd, domain->name);
    return strstr(log, "custom-monitor") != NULL;
}
