/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process under the Simple Availability Manager of corosync, which keeps its state in
 * the map: the connection that sam_initialize() opens is used by the first process and by
 * each of its successive children. The program opens one of its own in addition, likewise.
 *
 * Prints what each instance sees, the same in every run.
 *
 * usage: sam-process restarts|marked
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <corosync/cmap.h>
#include <corosync/sam.h>

enum { INTERVAL_MS = 500 };

static cmap_handle_t map; /* opened before the first fork */
static char prefix[64];	  /* of the keys of this program */

static void must(const char *what, cs_error_t error)
{
	if (error == CS_OK)
		return;
	printf("%s: error %d\n", what, (int)error);
	exit(EXIT_FAILURE);
}

/* The state that the manager has put into the map. */
static void state_print(const char *when)
{
	char key[96], *state;

	snprintf(key, sizeof(key), "%s.state", prefix);
	must(key, cmap_get_string(map, key, &state));
	printf("%s: %s\n", when, state);
	free(state);
}

/* A counter of our own in the map: each instance goes on from where the last one was. */
static void counter_count(void)
{
	uint32_t n = 0;

	must("inc", cmap_inc(map, "check.instances"));
	must("get", cmap_get_uint32(map, "check.instances", &n));
	printf("counted: %" PRIu32 "\n", n);
}

/* The process is well for longer than the interval, and says so. */
static void stay_healthy(void)
{
	for (int i = 0; i < 2 * INTERVAL_MS / 100; i++) {
		usleep(100 * 1000);
		must("sam_hc_send", sam_hc_send());
	}
	state_print("healthy");
}

/* The manager keeps this from one instance to the next. */
static void data_keep(unsigned int instance)
{
	unsigned int kept = 0;
	size_t size = 0;

	must("sam_data_getsize", sam_data_getsize(&size));
	if (size == sizeof(kept))
		must("sam_data_restore", sam_data_restore(&kept, sizeof(kept)));
	printf("kept from instance %u\n", kept);
	must("sam_data_store", sam_data_store(&instance, sizeof(instance)));
}

/* Each instance ends in another way. */
static void instance_run(unsigned int instance, int marked)
{
	if (marked) {
		must("sam_mark_failed", sam_mark_failed());
		pause();
	}
	switch (instance) {
	case 1: kill(getpid(), SIGKILL); break;
	case 2:
		stay_healthy();
		pause(); /* without a word: the manager ends it */
		break;
	case 3: exit(3);
	}
}

int main(int argc, char **argv)
{
	unsigned int instance;

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(prefix, sizeof(prefix), "resources.process.%d", (int)getpid());
	printf("process %d\n", (int)getpid());
	must("cmap_initialize", cmap_initialize(&map));
	must("set", cmap_set_uint32(map, "check.instances", 0));
	must("sam_initialize", sam_initialize(INTERVAL_MS, SAM_RECOVERY_POLICY_RESTART |
								   SAM_RECOVERY_POLICY_CMAP));
	must("sam_register", sam_register(&instance));
	printf("instance %u\n", instance);
	data_keep(instance);
	state_print("registered");
	counter_count();
	must("sam_start", sam_start());
	state_print("started");
	instance_run(instance, argc > 1 && !strcmp(argv[1], "marked"));
	must("sam_stop", sam_stop());
	state_print("stopped");
	must("sam_finalize", sam_finalize());
	must("cmap_finalize", cmap_finalize(map));
	printf("end\n");
	return 0;
}
