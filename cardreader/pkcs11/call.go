//go:build cgo

package pkcs11

/*
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#ifdef _WIN32
#include <windows.h>
#pragma pack(push, cryptoki, 1)
#else
#include <dlfcn.h>
#endif

// The start of CK_FUNCTION_LIST and CK_ATTRIBUTE, as PKCS #11 v2.40 lays them
// out (packed to one byte on Windows).
struct function_list { unsigned char version[2]; void *fn[68]; };
struct attribute { unsigned long type; void *value; unsigned long len; };
#ifdef _WIN32
#pragma pack(pop, cryptoki)
#endif

enum { fn_login = 18, fn_get_attribute_value = 24, fn_sign = 43 };

typedef unsigned long (*get_list_fn)(struct function_list **);
typedef unsigned long (*login_fn)(unsigned long, unsigned long, unsigned char *, unsigned long);
typedef unsigned long (*attribute_fn)(unsigned long, unsigned long, struct attribute *, unsigned long);
typedef unsigned long (*sign_fn)(unsigned long, unsigned char *, unsigned long, unsigned char *, unsigned long *);

static struct function_list *load(const char *path) {
	get_list_fn get = NULL;
	struct function_list *list = NULL;
#ifdef _WIN32
	HMODULE handle = LoadLibraryA(path);
	if (handle != NULL) get = (get_list_fn)(void *)GetProcAddress(handle, "C_GetFunctionList");
#else
	void *handle = dlopen(path, RTLD_LAZY);
	if (handle != NULL) get = (get_list_fn)dlsym(handle, "C_GetFunctionList");
#endif
	if (get == NULL || get(&list) != 0) return NULL;
	return list;
}

static unsigned long call_login(struct function_list *l, unsigned long session, unsigned long user, unsigned char *pin, unsigned long len) {
	return ((login_fn)l->fn[fn_login])(session, user, pin, len);
}

static unsigned long call_get(struct function_list *l, unsigned long session, unsigned long object, unsigned long type, void *buf, unsigned long *len) {
	struct attribute a = { type, buf, *len };
	unsigned long rv = ((attribute_fn)l->fn[fn_get_attribute_value])(session, object, &a, 1);
	*len = a.len;
	return rv;
}

static unsigned long call_sign(struct function_list *l, unsigned long session, unsigned char *data, unsigned long n, unsigned char *sig, unsigned long *siglen) {
	return ((sign_fn)l->fn[fn_sign])(session, data, n, sig, siglen);
}
*/
import "C"

import "unsafe"

// calls reaches three functions of the module without the wrapper library:
// C_Login, because a PIN must not become a Go string that nobody can wipe;
// C_Sign, because the wrapper first asks for the size with a NULL buffer,
// which HiCOS answers wrongly; C_GetAttributeValue, because the wrapper
// allocates whatever length the card claims. Loading a library twice gives
// the same library, so sessions of the wrapper are valid here.
type calls struct{ list *C.struct_function_list }

func loadCalls(path string) (calls, bool) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	list := C.load(p)
	return calls{list}, list != nil
}

func (c calls) login(session, user uint, pin []byte) uint {
	// A NULL PIN means the reader's own keypad (section 5.6, C_Login).
	var p *C.uchar
	if len(pin) > 0 {
		p = (*C.uchar)(unsafe.Pointer(&pin[0]))
	}
	return uint(C.call_login(c.list, C.ulong(session), C.ulong(user), p, C.ulong(len(pin))))
}

// attribute reads one attribute of at most max bytes.
func (c calls) attribute(session, object, kind uint, max int) ([]byte, uint) {
	buf := make([]byte, max)
	n := C.ulong(max)
	rv := uint(C.call_get(c.list, C.ulong(session), C.ulong(object), C.ulong(kind), unsafe.Pointer(&buf[0]), &n))
	if rv != rvOK {
		return nil, rv
	}
	if uint64(n) > uint64(max) {
		return nil, rvBufferTooSmall
	}
	return buf[:n], rvOK
}

func (c calls) sign(session uint, data []byte) ([]byte, uint) {
	sig := make([]byte, maxSignature)
	n := C.ulong(len(sig))
	rv := uint(C.call_sign(c.list, C.ulong(session), (*C.uchar)(unsafe.Pointer(&data[0])), C.ulong(len(data)), (*C.uchar)(unsafe.Pointer(&sig[0])), &n))
	if rv != rvOK {
		return nil, rv
	}
	if uint64(n) > uint64(len(sig)) {
		return nil, rvBufferTooSmall
	}
	return sig[:n], rvOK
}
