/* What decisions depend on beside their inputs (promise G12). */
#ifndef CMD_FINGERPRINT_H
#define CMD_FINGERPRINT_H

/* "retraind 0.1.0 3f2a91c07b55; libc 2.36; glib 2.74.6; ...": version and hash of the
 * pure floors' code, libraries that decide, CPU features, zone data.  Freed with
 * g_free().  Programs of one build have the same code. */
char *fingerprint_new(void);
#endif
