def shout(text):
    print "in the language of Python 2"
    return text.upper()
