/* Reading secrets: a file (owner checks), an environment variable, or a systemd
 * credential ($CREDENTIALS_DIRECTORY/NAME). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/log.h"
#include "io/secret.h"

#define SECRET_MAX (256 * 1024)	/* certificates are the largest of them */

static bool read_file(const char *path, char **ret, size_t *ret_len, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	char *buf;
	ssize_t n;

	if (fd < 0)
		return err_set(err, ERR_IO, "secret file '%s': %s", path,
			       g_strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > SECRET_MAX) {
		close(fd);
		return err_set(err, ERR_IO,
			       "secret file '%s': not a regular file below 256 KiB",
			       path);
	}
	if (st.st_mode & 022) {
		close(fd);
		return err_set(
		    err, ERR_DENIED,
		    "secret file '%s' may be written by others (mode %03o): chmod go-w",
		    path, (unsigned)(st.st_mode & 0777));
	}
	if (st.st_mode & 044)
		log_warn("secret file '%s' may be read by others (mode %03o)", path,
		    (unsigned)(st.st_mode & 0777));
	buf = g_malloc((size_t)st.st_size + 1);
	n = read(fd, buf, (size_t)st.st_size);
	close(fd);
	if (n < 0) {
		g_free(buf);
		return err_set(err, ERR_IO, "secret file '%s': %s", path,
			       g_strerror(errno));
	}
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	*ret = buf;
	*ret_len = (size_t)n;
	return true;
}

bool secret_read(const struct option_secret *s, const char *dir, char **ret,
		 size_t *ret_len, struct err *err)
{
	char *name = g_strndup(s->name.p, s->name.len);
	bool ok = true;

	if (s->from == SECRET_ENV) {
		const char *v = getenv(name);
		if (!v)
			ok = err_set(err, ERR_NOT_FOUND,
				     "environment variable '%s' is not set", name);
		else {
			*ret = g_strdup(v);
			*ret_len = strlen(v);
		}
	} else if (s->from == SECRET_FILE || s->from == SECRET_CREDENTIAL) {
		const char *base =
		    s->from == SECRET_FILE ? dir : getenv("CREDENTIALS_DIRECTORY");
		if (s->from == SECRET_CREDENTIAL && !base)
			ok = err_set(err, ERR_NOT_FOUND,
				     "credential '%s': $CREDENTIALS_DIRECTORY is not set "
				     "(LoadCredential=)",
				     name);
		else {
			char *path = g_canonicalize_filename(name, base);
			ok = read_file(path, ret, ret_len, err);
			g_free(path);
		}
	} else
		ok = err_set(err, ERR_NOT_FOUND, "no secret is given");
	g_free(name);
	return ok;
}

void secret_free(char *p, size_t n)
{
	if (!p)
		return;
	explicit_bzero(p, n);
	g_free(p);
}
