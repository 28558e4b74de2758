/* The canonical form of a document, or of one element in it, by libxml2. */

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

static void quiet(void *context, const char *message, ...) {
    (void)context;
    (void)message;
}

/* Whether a node, or the element that an attribute or a namespace belongs to, is the apex or below it. */
static int is_inside(void *apex, xmlNodePtr node, xmlNodePtr parent) {
    for (xmlNodePtr each = (node->type == XML_NAMESPACE_DECL) ? parent : node; each != NULL; each = each->parent) {
        if (each == apex) return 1;
    }
    return 0;
}

static xmlNodePtr element_at(xmlNodePtr root, int number) {
    xmlNodePtr node = root;
    while (node != NULL) {
        if (node->type == XML_ELEMENT_NODE && number-- == 0) return node;
        if (node->type == XML_ELEMENT_NODE && node->children != NULL) {
            node = node->children;
            continue;
        }
        while (node != root && node->next == NULL) node = node->parent;
        if (node == root) return NULL;
        node = node->next;
    }
    return NULL;
}

/* Length of the form; -1 when the document cannot be read, -2 when it cannot be written, -3 without that element. */
long canonical_form(const char *document, int length, int element, int mode, int comments, xmlChar **prefixes, unsigned char **form) {
    xmlSetGenericErrorFunc(NULL, quiet);
    int options = XML_PARSE_NONET | XML_PARSE_HUGE | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOENT;
    xmlDocPtr read = xmlReadMemory(document, length, "document.xml", NULL, options);
    if (read == NULL) return -1;
    long result = -3;
    void *apex = element < 0 ? NULL : element_at(xmlDocGetRootElement(read), element);
    if (element < 0 || apex != NULL) {
        xmlOutputBufferPtr output = xmlAllocOutputBuffer(NULL);
        int written = xmlC14NExecute(read, apex == NULL ? NULL : is_inside, apex, mode, prefixes, comments, output);
        if (written >= 0) {
            result = xmlOutputBufferGetSize(output);
            *form = malloc(result + 1);
            memcpy(*form, xmlOutputBufferGetContent(output), result);
        } else {
            result = -2;
        }
        xmlOutputBufferClose(output);
    }
    xmlFreeDoc(read);
    return result;
}
