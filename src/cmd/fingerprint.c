/* The fingerprint: one line of text, compared as it is.
 *
 * CODE_ID (Makefile) is a hash of the pure floors' archives, so that the daemon and
 * retrainctl of one build have the same and those of two builds have not. */
#include <string.h>

#include <glib.h>
#include <gnu/libc-version.h>
#include <jansson.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "cmd/fingerprint.h"

/* First line of a file that begins so; NULL: none. */
static char *line_of(const char *path, const char *begin)
{
	char *all = NULL, *at, *r = NULL;

	if (g_file_get_contents(path, &all, NULL, NULL) && (at = strstr(all, begin)))
		r = g_strndup(at, strcspn(at, "\n"));
	g_free(all);
	return r;
}

char *fingerprint_new(void)
{
	char *cpu = line_of("/proc/cpuinfo", "flags");
	char *tz = line_of("/usr/share/zoneinfo/tzdata.zi", "");
	char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, cpu ? cpu : "", -1);
	char pcre[64] = "?", *r;

	pcre2_config(PCRE2_CONFIG_VERSION, pcre);
	pcre[strcspn(pcre, " ")] = '\0';
	r = g_strdup_printf("retraind " RETRAIND_VERSION " " CODE_ID "; libc %s;"
	    " glib %u.%u.%u; pcre2 %s; jansson %s; cpu %.12s; tz %s",
	    gnu_get_libc_version(), glib_major_version, glib_minor_version,
	    glib_micro_version, pcre, jansson_version_str(), sum, tz ? tz : "?");
	g_free(cpu);
	g_free(tz);
	g_free(sum);
	return r;
}
