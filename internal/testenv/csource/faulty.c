/* A PKCS#11 module that passes each call on to another one (FAULT_TARGET) and
   spoils what FAULT names: a list of words. It counts logins in FAULT_LOG. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ul;
struct list { unsigned char version[2]; void *fn[68]; };
struct attribute { ul type; void *value; ul len; };
struct slot_info { char description[64], manufacturer[32]; ul flags; char rest[4]; };
struct token_info { char label[32], manufacturer[32], model[16], serial[16]; ul flags; char rest[88]; };

enum { INITIALIZE = 0, SLOT_LIST = 4, SLOT_INFO = 5, TOKEN_INFO = 6, LOGIN = 18, ATTRIBUTE = 24, SIGN_INIT = 42, SIGN = 43 };

static struct list *real, mine;
static int pulled;

static int fault(const char *name) {
	const char *all = getenv("FAULT"), *at = all ? strstr(all, name) : NULL;
	size_t n = strlen(name);
	return at && (at == all || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ');
}

static void trouble(const char *where) {
	char name[64];
	snprintf(name, sizeof name, "hang-%s", where);
	if (fault(name)) for (;;) pause();
	snprintf(name, sizeof name, "crash-%s", where);
	if (fault(name)) raise(SIGSEGV);
	if (fault("print")) { printf("module says %s\n", where); fflush(stdout); }
}

static void note(const char *text) {
	const char *path = getenv("FAULT_LOG");
	FILE *f = path ? fopen(path, "a") : NULL;
	if (f) { fprintf(f, "%s\n", text); fclose(f); }
}

static ul initialize(void *args) {
	trouble("initialize");
	return ((ul (*)(void *))real->fn[INITIALIZE])(args);
}

static ul slot_list(unsigned char present, ul *ids, ul *n) {
	trouble("slots");
	if (fault("no-reader")) { *n = 0; return 0; }
	return ((ul (*)(unsigned char, ul *, ul *))real->fn[SLOT_LIST])(present, ids, n);
}

static ul slot_info(ul id, struct slot_info *info) {
	ul rv = ((ul (*)(ul, struct slot_info *))real->fn[SLOT_INFO])(id, info);
	if (pulled || fault("no-card")) info->flags &= ~1UL;
	return rv;
}

static ul token_info(ul id, struct token_info *info) {
	if (pulled || fault("no-card")) return 0xe0;
	if (fault("unknown-card")) return 0xe1;
	ul rv = ((ul (*)(ul, struct token_info *))real->fn[TOKEN_INFO])(id, info);
	if (fault("final")) info->flags |= 0x20000;
	if (fault("locked")) info->flags |= 0x40000;
	if (fault("keypad")) info->flags |= 0x100;
	if (fault("odd-label")) memcpy(info->label, "\xa4\xa4\xa4\xe5 card\t \0\0", 13);
	return rv;
}

static ul login(ul session, ul user, unsigned char *pin, ul len) {
	note("login");
	trouble("login");
	const char *keypad = getenv("FAULT_KEYPAD");
	if (fault("keypad")) {
		if (pin || !keypad) return 0xa0;
		pin = (unsigned char *)keypad, len = strlen(keypad);
	}
	if (fault("cancelled")) return 0x50;
	ul rv = ((ul (*)(ul, ul, unsigned char *, ul))real->fn[LOGIN])(session, user, pin, len);
	if (rv != 0xa0) return rv;
	if (fault("vendor-two")) return 0x80000002;
	if (fault("vendor-one")) return 0x80000001;
	if (fault("vendor-signed")) return 0xffffffff80000001;
	if (fault("locks")) return 0xa4;
	return rv;
}

static ul attribute(ul session, ul object, struct attribute *all, ul n) {
	ul (*get)(ul, ul, struct attribute *, ul) = (ul (*)(ul, ul, struct attribute *, ul))real->fn[ATTRIBUTE];
	int certificate = n == 1 && all->type == 0x11;
	if (certificate && fault("huge-certificate")) {
		if (!all->value) { all->len = 1UL << 40; return 0; }
		all->len = -1UL;
		return 0x150;
	}
	if (certificate && fault("long-certificate")) { all->len = 1UL << 30; return 0; }
	if (certificate && fault("broken-certificate")) { memset(all->value, 0x30, 100); all->len = 100; return 0; }
	if (n == 1 && all->type == 0x102 && fault("long-id")) { all->len = 1UL << 30; return 0; }
	return get(session, object, all, n);
}

static ul sign_init(ul session, ul *mechanism, ul key) {
	if (*mechanism == 0x40 && fault("raw-only")) return 0x70;
	return ((ul (*)(ul, ul *, ul))real->fn[SIGN_INIT])(session, mechanism, key);
}

static ul sign(ul session, unsigned char *data, ul n, unsigned char *sig, ul *len) {
	note("sign");
	trouble("sign");
	if (!sig && fault("null-query")) return 0x150;
	if (fault("removed")) { pulled = 1; return 0x30; }
	ul rv = ((ul (*)(ul, unsigned char *, ul, unsigned char *, ul *))real->fn[SIGN])(session, data, n, sig, len);
	if (fault("long-signature")) *len = 1UL << 31;
	if (fault("short-signature")) *len = 3;
	if (fault("wrong-signature")) sig[7] ^= 1;
	return rv;
}

ul C_GetFunctionList(struct list **out) {
	const char *path = getenv("FAULT_TARGET");
	void *target = path ? dlopen(path, RTLD_NOW) : NULL;
	ul (*get)(struct list **) = target ? (ul (*)(struct list **))dlsym(target, "C_GetFunctionList") : NULL;
	if (!get || get(&real)) return 5;
	mine = *real;
	mine.fn[INITIALIZE] = initialize;
	mine.fn[SLOT_LIST] = slot_list;
	mine.fn[SLOT_INFO] = slot_info;
	mine.fn[TOKEN_INFO] = token_info;
	mine.fn[LOGIN] = login;
	mine.fn[ATTRIBUTE] = attribute;
	mine.fn[SIGN_INIT] = sign_init;
	mine.fn[SIGN] = sign;
	*out = &mine;
	return 0;
}
