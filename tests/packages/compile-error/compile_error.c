int answer(void) { return no_such_variable; }
