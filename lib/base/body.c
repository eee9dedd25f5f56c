/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/body.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

/* The first memory for a body of which less has arrived, bytes. */
#define ROOM_FIRST (64u << 10)

/* 0; -ENOMEM. Large blocks are moved by their page tables, without a copy. */
static int body_reach(struct qbi_body *b, uint32_t whole, size_t wanted)
{
	size_t room = 2 * wanted > ROOM_FIRST ? 2 * wanted : ROOM_FIRST;
	char *grown;

	if (wanted + 1 <= b->room)
		return 0;
	if (room > (size_t)whole + 1)
		room = (size_t)whole + 1;
	grown = realloc(b->data, room);
	if (!grown)
		return -ENOMEM;
	b->data = grown;
	b->room = room;
	return 0;
}

int qbi_body_place(struct qbi_body *b, const struct qbi_piece *piece, size_t n, char **ret)
{
	int r;

	if (piece->size <= b->least || piece->size > b->most || piece->offset != b->done ||
	    (b->done && piece->size != b->size) || n == 0 || n > piece->size - b->done)
		return -EBADMSG;
	r = body_reach(b, piece->size, b->done + n);
	if (r < 0)
		return r;
	b->size = piece->size;
	*ret = b->data + b->done;
	return 0;
}

int qbi_body_reserve(struct qbi_body *b, size_t n, char **ret)
{
	int r = body_reach(b, b->size, b->done + n);

	*ret = b->data + b->done;
	return r;
}

bool qbi_body_add(struct qbi_body *b, size_t n)
{
	b->done += (uint32_t)n;
	if (b->done < b->size)
		return false;
	b->data[b->size] = '\0';
	return true;
}

char *qbi_body_take(struct qbi_body *b, size_t *ret_size)
{
	*ret_size = b->size;
	b->room = 0;
	b->size = b->done = 0;
	return QBI_TAKE(b->data);
}

void qbi_body_forget(struct qbi_body *b)
{
	size_t size;

	free(qbi_body_take(b, &size));
}

int qbi_rest_keep(struct qbi_rest *rest, const struct qbi_msg *msg, size_t done)
{
	char *data = malloc(msg->size - done);

	if (!data)
		return -ENOMEM;
	qbi_msg_part_copy(msg, done, data, msg->size - done);
	*rest = (struct qbi_rest){
		.data = data,
		.size = (uint32_t)msg->size,
		.from = (uint32_t)done,
		.done = (uint32_t)done,
	};
	return 0;
}

struct iovec qbi_rest_next(const struct qbi_rest *rest, size_t most)
{
	size_t left = rest->size - rest->done;

	return (struct iovec){ rest->data + (rest->done - rest->from),
			       left < most ? left : most };
}

bool qbi_rest_add(struct qbi_rest *rest, size_t n)
{
	rest->done += (uint32_t)n;
	if (rest->done < rest->size)
		return false;
	qbi_rest_forget(rest);
	return true;
}

void qbi_rest_forget(struct qbi_rest *rest)
{
	free(QBI_TAKE(rest->data));
}
