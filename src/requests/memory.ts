/** Lets a class put its private fields on an object of another class: a constructor that returns it. */
class Annotated {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what it is for
    return object
  }
}

/** Private fields on somebody else's object, which nobody sees and which live as long as it does. */
class Note extends Annotated {
  #keeper: unknown
  #value: unknown

  private constructor(object: object, keeper: unknown, value: unknown) {
    super(object)
    this.#keeper = keeper
    this.#value = value
  }

  /** What this keeper noted on the object. */
  static read(object: object, keeper: unknown): unknown {
    return #keeper in object && object.#keeper === keeper ? object.#value : undefined
  }

  /** False where the object takes no note, or has one of another keeper. */
  static write(object: object, keeper: unknown, value: unknown): boolean {
    if (!(#keeper in object)) {
      if (!Object.isExtensible(object)) return false
      new Note(object, keeper, value)
    } else if (object.#keeper === keeper) {
      object.#value = value
    } else {
      return false
    }
    return true
  }
}

/**
 * What is known of objects, for as long as they live: as a WeakMap, whose entries cost ten times as much to make and to collect,
 * which is a sixth of what it takes to load a session.
 */
export class Memory<T> {
  /** Of objects that take no note: that are frozen, or that another store has noted something on. */
  readonly #others = new WeakMap<object, T>()

  get(object: object): T | undefined {
    return (Note.read(object, this) as T | undefined) ?? this.#others.get(object)
  }

  set(object: object, value: T): void {
    if (!Note.write(object, this, value)) this.#others.set(object, value)
  }
}
