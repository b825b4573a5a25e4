# The sign-in page and the account chooser.
sign-in = Sign in
sign-in-title-app = Sign in to continue to { $app }
sign-in-title-plain = Sign in
sign-in-lead-plain = One account for everything behind { $brand }.
sign-in-again = You are signed in as { $person }. Enter the password to confirm that it is you.
sign-in-identifier = E-mail or username
sign-in-wrong = Wrong e-mail or password.
# Where people may sign up: it is shown to everybody alike, and so tells nothing.
sign-in-wrong-new = If you have just signed up, confirm your address first: the mail says how.
sign-in-wrong-title = That didn't work
sign-in-reset-title = Choose a new password
sign-in-reset = This password can no longer be used. Follow the link we sent to your e-mail address, or ask for a new one.
sign-in-locked-title = Too many attempts
sign-in-locked = { $minutes ->
    [one] Try again in a minute, or reset your password.
   *[other] Try again in { $minutes } minutes, or reset your password.
}
sign-in-identifier-missing = Enter your e-mail or username.
sign-in-password-missing = Enter your password.
sign-in-other-account = Use another account
choose-title-app = Choose an account to continue to { $app }
choose-continue = Continue as { $person }
