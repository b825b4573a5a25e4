# Mails. The reader may not have asked for them: each says what, when, from where, and what to do if it was not them.
mail-when = When
mail-where = From
mail-device = Device
mail-code = Or type this code where you were asked for it
mail-ends = It works once, until { $time }.
mail-ends-both = The link works once, until { $time }; the code, for 15 minutes.
mail-foot = This mail is from { $brand }. Its links begin with { $host }; we never ask for your password by mail.
mail-by-hand = If the button does nothing, copy this address into your browser:
mail-verify-button = Confirm my address
mail-reset-button = Choose a new password
mail-recover-button = Reset my password
mail-undo-button = This was not me: bring my address back

mail-sign-up-subject = Confirm your address for { $brand }
mail-sign-up-lead = Somebody created an account at { $brand } with this address. If it was you, confirm the address and the account is ready.
mail-sign-up-otherwise = If it was not you, do nothing: without the confirmation nobody can use this address.

mail-verify-subject = Confirm your address for { $brand }
mail-verify-lead = We would like to know whether this is the address of your account at { $brand }.
mail-verify-otherwise = If you did not ask for this, do nothing.

mail-registered-subject = You already have an account at { $brand }
mail-registered-lead = Somebody tried to create an account at { $brand } with this address. It has one already, so nothing was created or changed.
mail-registered-more = If it was you, sign in with the account you have.
mail-registered-button = Sign in
mail-registered-otherwise = If it was not you, there is nothing to do. If you no longer know your password, reset it.

mail-reset-subject = Choose a new password for { $brand }
mail-reset-lead = Somebody asked for a new password for your account at { $brand }. If it was you, choose one.
mail-reset-otherwise = If it was not you, do nothing: your password stays as it is.

mail-required-subject = { $brand } asks you to choose a new password
mail-required-lead = An administrator of { $brand } asked you to choose a new password. Until then the current one opens nothing.
mail-required-more = You have been signed out everywhere.
mail-required-otherwise = If the link has ended, ask for a new one.

mail-changed-subject = Your password at { $brand } was changed
mail-changed-lead = The password of your account at { $brand } was changed.
mail-changed-more = Other devices and apps were signed out.
mail-changed-otherwise = If it was you, there is nothing to do. If it was not, somebody else knows your password or reads your mail: reset your password now.

mail-breached-subject = Your password at { $brand } is in a list of stolen passwords
mail-breached-lead = The password of your account at { $brand } appears in a public list of stolen passwords. Somebody else used the same one, or it was stolen elsewhere.
mail-breached-more = Choose another one, here and wherever else you use it.
mail-breached-button = Change my password
mail-breached-otherwise = If you did not sign in just now, somebody else knows your password: reset it now.

mail-address-subject = Confirm your new address for { $brand }
mail-address-lead = You asked for your account at { $brand } to have this address. Confirm it, and it takes the place of the old one.
mail-address-button = Use this address
mail-address-otherwise = If you did not ask for this, do nothing: nothing changes without the confirmation.

mail-moving-subject = A new address was asked for, for your account at { $brand }
mail-moving-lead = Somebody asked for your account at { $brand } to have another address: { $address }. Until it is confirmed, this one stays in force.
mail-moving-more = If it was you, there is nothing to do with this mail.

mail-moved-subject = Your address at { $brand } was changed
mail-moved-lead = Your account at { $brand } has a new address now: { $address }.
mail-moved-more = If it was you, there is nothing to do with this mail.
mail-undo-otherwise = If it was not you, bring your address back. Every device and app is then signed out, and you choose a new password.

mail-invitation-subject = You are invited to { $brand }
mail-invitation-lead = You may create an account at { $brand } with this address.
mail-invitation-button = Create my account
mail-invitation-otherwise = If you do not want one, do nothing.

mail-deleted-subject = Your account at { $brand } was deleted
mail-deleted-lead = Your account at { $brand } and what belonged to it are deleted. Every device and app was signed out.
mail-deleted-more = It cannot be brought back. You may create a new one at any time.
mail-deleted-otherwise = If it was not you, write to whoever runs this service.

mail-locked-subject = Too many attempts to sign in at { $brand }
mail-locked-lead = Somebody tried wrong passwords for your account at { $brand }, again and again. None of them opened it.
mail-locked-more = Nobody can sign in from a new browser until { $time }. Where you signed in before, you still can.
mail-locked-otherwise = If it was you, wait until then or reset your password. If it was not, there is nothing to do, as long as you use this password nowhere else.

mail-set-lead = An administrator of { $brand } set a new password for your account.
mail-set-more = You have been signed out everywhere.
mail-set-otherwise = If you did not ask for it, choose a password that only you know.

mail-disabled-subject = Your account at { $brand } was disabled
mail-disabled-lead = An administrator of { $brand } disabled your account. Nobody can sign in with it.
mail-disabled-more = Every device and app was signed out. What belongs to the account is kept.
mail-ask-otherwise = If you have a question about this, write to whoever runs this service.

mail-enabled-subject = Your account at { $brand } is enabled again
mail-enabled-lead = An administrator of { $brand } enabled your account. You can sign in again.

mail-removed-lead = An administrator of { $brand } deleted your account and what belonged to it. Every device and app was signed out.
mail-removed-more = It cannot be brought back.

mail-replaced-lead = An administrator of { $brand } gave your account another address: { $address }. Messages about the account go there from now on.

mail-in-use-subject = This is the address of your account at { $brand } now
mail-in-use-lead = From now on you sign in at { $brand } with this address, and messages about your account come here.
mail-in-use-otherwise = If it was not you, somebody else used your address or reads your mail: reset the password.
mail-assigned-lead = An administrator of { $brand } made this the address of your account. You sign in with it, and messages about your account come here.

mail-taken-back-subject = Your account at { $brand } has its old address again
mail-taken-back-lead = Somebody who reads the address that your account at { $brand } had before brought it back. This one belongs to the account no longer.
mail-taken-back-more = Every device and app was signed out, and the password must be chosen anew from the old address.

mail-ended-subject = You were signed out everywhere at { $brand }
mail-ended-lead = An administrator of { $brand } signed you out on every device and ended the access of every app.
mail-ended-more = Your password works as before. Sign in again to go on.
mail-ended-otherwise = If you do not know why, write to whoever runs this service. If somebody else may know your password, choose a new one.

mail-roles-subject = Your roles at { $brand } were changed
mail-roles-lead = An administrator of { $brand } changed what you may look after there.
mail-roles-given = New roles: { $roles }.
mail-roles-taken = Roles that you no longer have: { $roles }.
mail-roles-otherwise = If you did not expect this, write to whoever runs this service.

mail-nameless-subject = The username you asked for at { $brand } is taken
mail-nameless-lead = Your account at { $brand } is ready, but without the username that you asked for: somebody else got it before your address was confirmed.
mail-nameless-more = Sign in with this address. You can choose another username in your account.
mail-nameless-button = Choose a username
