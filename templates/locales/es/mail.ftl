# Correos. Quien los lee quizá no los pidió: cada uno dice qué, cuándo, desde dónde, y qué hacer si no fue esa persona.
mail-when = Cuándo
mail-where = Desde
mail-device = Dispositivo
mail-code = O escribe este código donde te lo pidieron
mail-ends = Sirve una sola vez, hasta el { $time }.
mail-ends-both = El enlace sirve una sola vez, hasta el { $time }; el código, durante 15 minutos.
mail-foot = Este correo es de { $brand }. Sus enlaces empiezan por { $host }; nunca te pedimos la contraseña por correo.
mail-by-hand = Si el botón no hace nada, copia esta dirección en tu navegador:
mail-verify-button = Confirmar mi correo
mail-reset-button = Elegir una contraseña nueva
mail-recover-button = Restablecer mi contraseña
mail-undo-button = No fui yo: recuperar mi correo

mail-sign-up-subject = Confirma tu correo para { $brand }
mail-sign-up-lead = Alguien creó una cuenta en { $brand } con este correo. Si fuiste tú, confírmalo y la cuenta queda lista.
mail-sign-up-otherwise = Si no fuiste tú, no hagas nada: sin la confirmación nadie puede usar este correo.

mail-verify-subject = Confirma tu correo para { $brand }
mail-verify-lead = Queremos saber si este correo es el de tu cuenta en { $brand }.
mail-verify-otherwise = Si no lo pediste, no hagas nada.

mail-registered-subject = Ya tienes una cuenta en { $brand }
mail-registered-lead = Alguien intentó crear una cuenta en { $brand } con este correo. Ya hay una, así que no se creó ni cambió nada.
mail-registered-more = Si fuiste tú, inicia sesión con la cuenta que tienes.
mail-registered-button = Iniciar sesión
mail-registered-otherwise = Si no fuiste tú, no tienes que hacer nada. Si ya no sabes tu contraseña, restablécela.

mail-reset-subject = Elige una contraseña nueva para { $brand }
mail-reset-lead = Alguien pidió una contraseña nueva para tu cuenta en { $brand }. Si fuiste tú, elígela.
mail-reset-otherwise = Si no fuiste tú, no hagas nada: tu contraseña sigue igual.

mail-required-subject = Elige una contraseña nueva para { $brand }: lo pide la administración
mail-required-lead = La administración de { $brand } pidió que elijas una contraseña nueva. Mientras tanto, la actual no sirve.
mail-required-more = Se cerró tu sesión en todas partes.
mail-required-otherwise = Si el enlace ya caducó, pide uno nuevo.

mail-changed-subject = Cambió tu contraseña en { $brand }
mail-changed-lead = Se cambió la contraseña de tu cuenta en { $brand }.
mail-changed-more = Se cerró la sesión en los demás dispositivos y aplicaciones.
mail-changed-otherwise = Si fuiste tú, no tienes que hacer nada. Si no, otra persona sabe tu contraseña o lee tu correo: restablécela ahora.

mail-breached-subject = Tu contraseña de { $brand } está en una lista de contraseñas robadas
mail-breached-lead = La contraseña de tu cuenta en { $brand } aparece en una lista pública de contraseñas robadas. Alguien más usaba la misma, o la robaron en otro sitio.
mail-breached-more = Elige otra, aquí y en cualquier otro sitio donde la uses.
mail-breached-button = Cambiar mi contraseña
mail-breached-otherwise = Si no acabas de iniciar sesión, otra persona sabe tu contraseña: restablécela ahora.

mail-address-subject = Confirma tu correo nuevo para { $brand }
mail-address-lead = Pediste que tu cuenta en { $brand } tenga este correo. Confírmalo y ocupará el lugar del anterior.
mail-address-button = Usar este correo
mail-address-otherwise = Si no lo pediste, no hagas nada: sin la confirmación no cambia nada.

mail-moving-subject = Se pidió cambiar el correo de tu cuenta en { $brand }
mail-moving-lead = Alguien pidió que tu cuenta en { $brand } tenga otro correo: { $address }. Hasta que se confirme, sigue valiendo este.
mail-moving-more = Si fuiste tú, no tienes que hacer nada con este mensaje.

mail-moved-subject = Cambió tu correo en { $brand }
mail-moved-lead = Tu cuenta en { $brand } tiene ahora otro correo: { $address }.
mail-moved-more = Si fuiste tú, no tienes que hacer nada con este mensaje.
mail-undo-otherwise = Si no fuiste tú, recupera tu correo. Se cerrará la sesión en todos los dispositivos y aplicaciones, y elegirás una contraseña nueva.

mail-invitation-subject = Te invitaron a { $brand }
mail-invitation-lead = Puedes crear una cuenta en { $brand } con este correo.
mail-invitation-button = Crear mi cuenta
mail-invitation-otherwise = Si no la quieres, no hagas nada.

mail-deleted-subject = Se eliminó tu cuenta en { $brand }
mail-deleted-lead = Se eliminó tu cuenta en { $brand } con todo lo que le pertenecía. Se cerró la sesión en todos los dispositivos y aplicaciones.
mail-deleted-more = No se puede recuperar. Puedes crear otra cuando quieras.
mail-deleted-otherwise = Si no fuiste tú, escribe a quien administra este servicio.

mail-locked-subject = Demasiados intentos de entrar en { $brand }
mail-locked-lead = Alguien probó una y otra vez contraseñas incorrectas para tu cuenta en { $brand }. Ninguna la abrió.
mail-locked-more = Hasta el { $time } nadie puede iniciar sesión desde un navegador nuevo. Donde ya la habías iniciado, sigues pudiendo.
mail-locked-otherwise = Si fuiste tú, espera hasta entonces o restablece tu contraseña. Si no, no tienes que hacer nada, siempre que no uses esta contraseña en otro sitio.

mail-set-lead = La administración de { $brand } puso una contraseña nueva a tu cuenta.
mail-set-more = Se cerró tu sesión en todas partes.
mail-set-otherwise = Si no la pediste, elige una contraseña que solo tú sepas.

mail-disabled-subject = Se desactivó tu cuenta en { $brand }
mail-disabled-lead = La administración de { $brand } desactivó tu cuenta. Nadie puede iniciar sesión con ella.
mail-disabled-more = Se cerró la sesión en todos los dispositivos y aplicaciones. Lo que pertenece a la cuenta se conserva.
mail-ask-otherwise = Si tienes alguna duda, escribe a quien administra este servicio.

mail-enabled-subject = Tu cuenta en { $brand } vuelve a estar activa
mail-enabled-lead = La administración de { $brand } activó tu cuenta. Ya puedes volver a iniciar sesión.

mail-removed-lead = La administración de { $brand } eliminó tu cuenta con todo lo que le pertenecía. Se cerró la sesión en todos los dispositivos y aplicaciones.
mail-removed-more = No se puede recuperar.

mail-replaced-lead = La administración de { $brand } puso otro correo a tu cuenta: { $address }. Desde ahora, los mensajes sobre la cuenta llegan ahí.

mail-in-use-subject = Este es ahora el correo de tu cuenta en { $brand }
mail-in-use-lead = Desde ahora inicias sesión en { $brand } con este correo, y aquí llegan los mensajes sobre tu cuenta.
mail-in-use-otherwise = Si no fuiste tú, otra persona usó tu correo o lo lee: restablece la contraseña.
mail-assigned-lead = La administración de { $brand } puso este correo a tu cuenta. Con él inicias sesión, y aquí llegan los mensajes sobre tu cuenta.

mail-taken-back-subject = Tu cuenta en { $brand } vuelve a tener el correo anterior
mail-taken-back-lead = Alguien que lee el correo que antes tenía tu cuenta en { $brand } lo recuperó. Este ya no pertenece a la cuenta.
mail-taken-back-more = Se cerró la sesión en todos los dispositivos y aplicaciones, y hay que elegir otra contraseña desde el correo anterior.

mail-ended-subject = Se cerró tu sesión en todas partes en { $brand }
mail-ended-lead = La administración de { $brand } cerró tu sesión en todos los dispositivos y quitó el acceso a todas las aplicaciones.
mail-ended-more = Tu contraseña sirve como antes. Vuelve a iniciar sesión para continuar.
mail-ended-otherwise = Si no sabes por qué, escribe a quien administra este servicio. Si es posible que otra persona sepa tu contraseña, elige una nueva.

mail-roles-subject = Cambiaron tus roles en { $brand }
mail-roles-lead = La administración de { $brand } cambió lo que puedes administrar ahí.
mail-roles-given = Roles nuevos: { $roles }.
mail-roles-taken = Roles que ya no tienes: { $roles }.
mail-roles-otherwise = Si no lo esperabas, escribe a quien administra este servicio.

mail-nameless-subject = El nombre de usuario que pediste en { $brand } ya es de otra persona
mail-nameless-lead = Tu cuenta en { $brand } está lista, pero sin el nombre de usuario que pediste: otra persona lo obtuvo antes de que se confirmara tu correo.
mail-nameless-more = Inicia sesión con este correo. En tu cuenta puedes elegir otro nombre de usuario.
mail-nameless-button = Elegir un nombre de usuario
