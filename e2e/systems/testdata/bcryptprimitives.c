/*
 * What Go programs need and the Wine of Debian 12 lacks. Go's runtime loads this library at the start of each program.
 *
 * ProcessPrng returns random bytes.
 *
 * Wine answers STATUS_NOT_IMPLEMENTED to the system call with which os.RemoveAll deletes a file. Go tries the older call
 * after STATUS_NOT_SUPPORTED only, which Windows returns for file systems without the newer one.
 */
#include <windows.h>
#include <string.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, size); }

typedef LONG NTAPI set_information(HANDLE, void *, void *, ULONG, int);
static set_information *original;

static LONG NTAPI replacement(HANDLE file, void *status, void *information, ULONG size, int class) {
	if (class == 64) /* FileDispositionInformationEx */
		return 0xC00000BB; /* STATUS_NOT_SUPPORTED */
	return original(file, status, information, size, class);
}

static void jump(BYTE *from, void *to) {
	static const BYTE code[] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp [rip] */
	memcpy(from, code, sizeof code);
	memcpy(from + sizeof code, &to, sizeof to);
}

BOOL WINAPI DllMain(HINSTANCE dll, DWORD reason, LPVOID reserved) {
	enum { size = 16 }; /* two instructions and a test at the start of each system call */
	static const BYTE start[] = {0x4c, 0x8b, 0xd1, 0xb8};
	BYTE *code = (BYTE *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtSetInformationFile"), *copy;
	DWORD old;
	if (reason != DLL_PROCESS_ATTACH || memcmp(code, start, sizeof start))
		return TRUE;
	copy = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	if (!copy || !VirtualProtect(code, size, PAGE_EXECUTE_READWRITE, &old))
		return TRUE;
	memcpy(copy, code, size);
	jump(copy + size, code + size);
	original = (set_information *)copy;
	jump(code, replacement);
	return VirtualProtect(code, size, old, &old);
}
