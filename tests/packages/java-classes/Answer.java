/** The class that is compiled into the wheel. */
public final class Answer {
    public static void main(String[] arguments) {
        System.out.println(42);
    }
}
