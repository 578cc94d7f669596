/* The only place where time is read. */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <stdint.h>

struct clock_now {
	int64_t	 wall_ms;	/* CLOCK_REALTIME: may step back */
	int64_t	 boot_ms;	/* CLOCK_BOOTTIME: never back within a boot */
};
struct clock_now clock_read(void);
int64_t clock_mono_us(void);		/* for durations in metrics */
/* Identity of this boot (/proc/sys/kernel/random/boot_id), or "" . */
const char *clock_boot_id(void);
#endif
