;; A main module without a C library, for tests/tests/hostile.rs. Words in braces are replaced: what the functions that the host
;; calls do instead of working, what `_start` does, more definitions, and the libraries in the data.
;;
;; Memory: 256 scratch, 512 the paths "/0" to "/9" (16 bytes each), 1024 address and size of each library's file, up to 0x30000
;; the stack, then the buffer of messages, at 0x40000 the files, behind them the heap.
(module
  (import "pydl_dlfcn_v1" "dlopen" (func $dlopen (param i32 i32) (result i32)))
  (import "pydl_dlfcn_v1" "dlsym" (func $dlsym (param i32 i32) (result i32)))
  (import "pydl_dlfcn_v1" "dlclose" (func $dlclose (param i32) (result i32)))
  (import "pydl_dlfcn_v1" "dlerror" (func $dlerror (param i32 i32) (result i32)))
  (import "pydl_dlfcn_v1" "dladdr" (func $dladdr (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 128)
  (table $table (export "__indirect_function_table") 1 funcref)
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 0x30000))
  (global $brk (mut i32) (i32.const 0x200000))
  (data (i32.const 512) "/0") (data (i32.const 528) "/1") (data (i32.const 544) "/2")
  (data (i32.const 560) "/3") (data (i32.const 576) "/4")
  {libraries}
  {definitions}

  (func $bump (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $brk) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $brk (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func $malloc (export "malloc") (param $size i32) (result i32)
    {malloc}
    (call $bump (i32.const 16) (local.get $size)))
  (func $aligned_alloc (export "aligned_alloc") (param $align i32) (param $size i32) (result i32)
    {aligned_alloc}
    (call $bump (local.get $align) (local.get $size)))
  (func $free (export "free") (param $p i32)
    {free})
  ;; The digit of the path names the file; its inode number is one more.
  (func $read (export "pydl_read_file") (param $path i32) (param $record i32) (result i32)
    (local $file i32)
    {read_file}
    (local.set $file (i32.sub (i32.load8_u offset=1 (local.get $path)) (i32.const 48)))
    (if (i32.ge_u (local.get $file) (i32.const {count})) (then (return (i32.const 44))))
    (i32.store (local.get $record)
      (i32.load offset=1024 (i32.shl (local.get $file) (i32.const 3))))
    (i32.store offset=4 (local.get $record)
      (i32.load offset=1028 (i32.shl (local.get $file) (i32.const 3))))
    (i32.store offset=8 (local.get $record) (local.get $path))
    (i64.store offset=16 (local.get $record) (i64.const 1))
    (i64.store offset=24 (local.get $record) (i64.extend_i32_u (i32.add (local.get $file) (i32.const 1))))
    {after_reading}
    (i32.const 0))

  ;; Opens a library with RTLD_NOW, and says what is wrong.
  (func $open (param $file i32) (result i32)
    (local $handle i32)
    (local.set $handle (call $dlopen (call $path (local.get $file)) (i32.const 2)))
    (if (i32.eqz (local.get $handle)) (then (call $complain)))
    (local.get $handle))
  (func $path (param $file i32) (result i32)
    (i32.add (i32.const 512) (i32.shl (local.get $file) (i32.const 4))))
  (func $say (param $at i32) (param $length i32)
    (i32.store (i32.const 256) (local.get $at))
    (i32.store (i32.const 260) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 256) (i32.const 1) (i32.const 264))))
  ;; The pending message, on a line.
  (func $complain
    (local $length i32)
    (local.set $length (call $dlerror (i32.const 0x31000) (i32.const 0xe000)))
    (if (i32.eqz (local.get $length)) (then (return)))
    (i32.store8 (i32.add (i32.const 0x30fff) (local.get $length)) (i32.const 10))
    (call $say (i32.const 0x31000) (local.get $length)))
  ;; A number, on a line.
  (func $tell (param $number i32)
    (local $at i32)
    (local.set $at (i32.const 300))
    (i32.store8 (i32.const 300) (i32.const 10))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
      (br_if $digit (local.get $number)))
    (call $say (local.get $at) (i32.sub (i32.const 301) (local.get $at))))
  (func (export "_start") {start}))
