//! An extension module by the stable ABI alone (PEP 384), with one function that needs the crate.

use std::ffi::{c_char, c_int, c_void};

#[repr(C)]
struct MethodDef {
    name: *const c_char,
    function: unsafe extern "C" fn(*mut c_void, *mut c_void) -> *mut c_void,
    flags: c_int,
    doc: *const c_char,
}

#[repr(C)]
struct ModuleDef {
    refcount: isize,
    object_type: *mut c_void,
    init: *mut c_void,
    index: isize,
    copy: *mut c_void,
    name: *const c_char,
    doc: *const c_char,
    size: isize,
    methods: *mut MethodDef,
    slots: *mut c_void,
    traverse: *mut c_void,
    clear: *mut c_void,
    free: *mut c_void,
}

extern "C" {
    fn PyModule_Create2(definition: *mut ModuleDef, api_version: c_int) -> *mut c_void;
    fn PyUnicode_FromStringAndSize(text: *const c_char, size: isize) -> *mut c_void;
}

const API_VERSION: c_int = 1013;
const NO_ARGUMENTS: c_int = 0x0004;

unsafe extern "C" fn answer(_module: *mut c_void, _arguments: *mut c_void) -> *mut c_void {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(42);
    PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as isize)
}

#[no_mangle]
pub unsafe extern "C" fn PyInit_rust_native() -> *mut c_void {
    let none = std::ptr::null_mut;
    let end = MethodDef { name: std::ptr::null(), function: answer, flags: 0, doc: std::ptr::null() };
    let first = MethodDef { name: c"answer".as_ptr(), function: answer, flags: NO_ARGUMENTS, doc: std::ptr::null() };
    let methods = Box::leak(Box::new([first, end]));
    let module = Box::leak(Box::new(ModuleDef {
        refcount: 1,
        object_type: none(),
        init: none(),
        index: 0,
        copy: none(),
        name: c"rust_native".as_ptr(),
        doc: std::ptr::null(),
        size: -1,
        methods: methods.as_mut_ptr(),
        slots: none(),
        traverse: none(),
        clear: none(),
        free: none(),
    }));
    PyModule_Create2(module, API_VERSION)
}
