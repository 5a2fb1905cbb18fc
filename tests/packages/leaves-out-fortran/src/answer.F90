integer function answer() bind(c)
  answer = 42
end function
