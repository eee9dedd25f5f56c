/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/call-cancels.h"

#include <stdlib.h>
#include <string.h>

void qbi_call_cancels_note(struct qbi_call_cancels *list, const struct qbi_call_mark *mark)
{
	size_t room = list->room ? 2 * list->room : 8;
	struct qbi_call_mark *grown;

	if (list->n == list->room) {
		if (room > QBI_CALL_CANCELS_MAX)
			return;
		grown = realloc(list->marks, room * sizeof(*grown));
		if (!grown)
			return;
		list->marks = grown;
		list->room = room;
	}
	list->marks[list->n++] = *mark;
}

int qbi_call_cancels_send(struct qbi_call_cancels *list, qb_ipcc_connection_t *c)
{
	size_t done;
	int r = 0;

	for (done = 0; r == 0 && done < list->n; done += r == 0)
		r = qbi_client_call_cancel(c, &list->marks[done]);
	list->n -= done;
	memmove(list->marks, list->marks + done, list->n * sizeof(*list->marks));
	return r;
}

void qbi_call_cancels_deinit(struct qbi_call_cancels *list)
{
	free(list->marks);
	*list = (struct qbi_call_cancels){ 0 };
}
