! Uses Fortran's own run-time library, so that repair has something to graft.
function answer() bind(c)
  use iso_c_binding, only: c_int
  implicit none
  integer(c_int) :: answer
  character(len=8) :: text
  write (text, '(i0)') 42
  read (text, *) answer
end function answer
