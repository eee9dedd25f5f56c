/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libs: -lrt */
/* Two message queues of Boost.Interprocess. */
#include "other.h"

#include <boost/interprocess/ipc/message_queue.hpp>
#include <cerrno>
#include <string>
#include <unistd.h>

using boost::interprocess::create_only;
using boost::interprocess::message_queue;

static message_queue *queues[2], *in, *out;

/* The names can go at once: both processes have the mappings. */
static void prepare()
{
	for (int i = 0; i < 2; i++) {
		std::string name = "bench-other-" + std::to_string(getpid()) + "-" +
				   std::to_string(i);

		queues[i] = new message_queue(create_only, name.c_str(), 1000,
					      sizeof(other_message));
		message_queue::remove(name.c_str());
	}
}

static void open_end(int serving)
{
	in = queues[serving];
	out = queues[!serving];
}

static void send_message(const other_message *msg)
{
	out->send(msg, sizeof(*msg), 0);
}

static void receive_message(other_message *msg)
{
	message_queue::size_type size;
	unsigned int priority;

	in->receive(msg, sizeof(*msg), size, priority);
	if (size != sizeof(*msg))
		bench_die("receive", EPROTO);
}

extern "C" const struct other other = {
	prepare, open_end, send_message, receive_message, nullptr, nullptr,
};
