# The page that confirms a sign-out, and the one after it.
sign-out = Sign out
sign-out-title = Sign out?
sign-out-lead-person = You are signed in as { $person }.
sign-out-lead-app = { $app } asks to end your session.
sign-out-consequence = This ends your session here. Apps you opened with it may keep you signed in for a few more minutes.
sign-out-stay = Stay signed in
signed-out-title = You are signed out.
signed-out-lead = Your session in this browser has ended.
signed-out-again = Sign in again
