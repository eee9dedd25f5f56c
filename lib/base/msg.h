/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message to send: its pieces and their sum, checked once at the public call. */
#ifndef QBI_BASE_MSG_H
#define QBI_BASE_MSG_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/*
 * The smallest message that may be handed out where it lies, bytes: shorter ones are copied
 * as fast. Part of the native wire (ring/ring.h).
 */
#define QBI_IN_PLACE_MIN (16u << 10)

struct qbi_msg {
	const struct iovec *iov; /* entries may be {NULL, 0} */
	size_t n;
	size_t size; /* sum of the pieces */
};

/* 0; -EINVAL for no pieces or a NULL one; -EMSGSIZE when the sum overflows: size 0. */
static inline int qbi_msg_init(struct qbi_msg *msg, const struct iovec *iov, size_t n)
{
	size_t size = 0;
	size_t i;

	msg->size = 0;
	if (!iov || n == 0)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (!iov[i].iov_base && iov[i].iov_len)
			return -EINVAL;
		if (__builtin_add_overflow(size, iov[i].iov_len, &size))
			return -EMSGSIZE;
	}
	*msg = (struct qbi_msg){ .iov = iov, .n = n, .size = size };
	return 0;
}

/* Copy the whole message to @to, which has room for msg->size bytes. */
static inline void qbi_msg_copy(const struct qbi_msg *msg, void *to)
{
	char *p = to;
	size_t i;

	for (i = 0; i < msg->n; i++) {
		if (!msg->iov[i].iov_len)
			continue;
		memcpy(p, msg->iov[i].iov_base, msg->iov[i].iov_len);
		p += msg->iov[i].iov_len;
	}
}

/* Copy the first bytes, @size of them or all that there are. Returns their number. */
static inline size_t qbi_msg_begin_copy(const struct qbi_msg *msg, void *to, size_t size)
{
	size_t done = 0;
	size_t i;

	for (i = 0; i < msg->n && done < size; i++) {
		size_t n =
			msg->iov[i].iov_len < size - done ? msg->iov[i].iov_len : size - done;

		if (n)
			memcpy((char *)to + done, msg->iov[i].iov_base, n);
		done += n;
	}
	return done;
}

/* Copy the @size bytes from the offset @from on, which are there. */
static inline void qbi_msg_part_copy(const struct qbi_msg *msg, size_t from, void *to,
				     size_t size)
{
	size_t done = 0;
	size_t i;

	for (i = 0; i < msg->n && done < size; i++) {
		size_t len = msg->iov[i].iov_len;
		size_t n;

		if (from >= len) {
			from -= len;
			continue;
		}
		n = len - from < size - done ? len - from : size - done;
		memcpy((char *)to + done, (const char *)msg->iov[i].iov_base + from, n);
		done += n;
		from = 0;
	}
}

/*
 * At most @size bytes from the offset @from on, and of at most @most pieces of memory. Returns
 * the number of bytes, *@ret_n that of the pieces.
 */
static inline size_t qbi_msg_part(const struct qbi_msg *msg, size_t from, size_t size,
				  struct iovec *iov, size_t most, size_t *ret_n)
{
	size_t done = 0;
	size_t n = 0;
	size_t i;

	for (i = 0; i < msg->n && done < size && n < most; i++) {
		size_t len = msg->iov[i].iov_len;

		if (from >= len) {
			from -= len;
			continue;
		}
		len = len - from < size - done ? len - from : size - done;
		iov[n++] = (struct iovec){ (char *)msg->iov[i].iov_base + from, len };
		done += len;
		from = 0;
	}
	*ret_n = n;
	return done;
}

#endif
